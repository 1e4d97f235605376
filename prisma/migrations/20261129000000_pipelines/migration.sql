-- AlterTable
ALTER TABLE "Run" ADD COLUMN "stages" TEXT;

-- CreateTable
CREATE TABLE "StageSketch" (
    "runId" INTEGER NOT NULL,
    "stage" INTEGER NOT NULL,
    "service" BLOB NOT NULL,
    "queueWait" BLOB NOT NULL,

    PRIMARY KEY ("runId", "stage"),
    CONSTRAINT "StageSketch_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
