-- AlterTable
ALTER TABLE "Run" ADD COLUMN "retryOf" INTEGER;

-- CreateTable
CREATE TABLE "RunSelection" (
    "runId" INTEGER NOT NULL PRIMARY KEY,
    "leftOut" BLOB NOT NULL,
    CONSTRAINT "RunSelection_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "Run_finishedAt_idx" ON "Run"("finishedAt") WHERE finishedAt IS NOT NULL;

-- CreateIndex
CREATE INDEX "Run_retryOf_idx" ON "Run"("retryOf") WHERE retryOf IS NOT NULL;
