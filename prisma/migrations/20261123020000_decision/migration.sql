-- AlterTable
ALTER TABLE "Run" ADD COLUMN "decision" TEXT;
