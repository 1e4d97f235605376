-- AlterTable
ALTER TABLE "RunSketch" ADD COLUMN "phases" BLOB;

-- AlterTable
ALTER TABLE "StageSketch" ADD COLUMN "phases" BLOB;
