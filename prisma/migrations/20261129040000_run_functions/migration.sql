-- CreateTable
CREATE TABLE "RunFunction" (
    "function" TEXT NOT NULL,
    "runId" INTEGER NOT NULL,

    PRIMARY KEY ("function", "runId"),
    CONSTRAINT "RunFunction_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "RunFunction_runId_idx" ON "RunFunction"("runId");

-- What a run of one stage calls; pipelines are newer than this table.
INSERT INTO "RunFunction" ("function", "runId") SELECT "function", "id" FROM "Run" WHERE "function" IS NOT NULL;

-- DropIndex
DROP INDEX "Run_function_idx";

-- AlterTable
ALTER TABLE "Run" DROP COLUMN "function";
