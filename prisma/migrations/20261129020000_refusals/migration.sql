-- AlterTable
ALTER TABLE "Run" ADD COLUMN "refusals" TEXT;
