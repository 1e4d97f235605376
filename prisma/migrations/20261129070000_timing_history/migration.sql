-- CreateTable
CREATE TABLE "RunParts" (
    "runId" INTEGER NOT NULL PRIMARY KEY,
    "finishedAt" DATETIME NOT NULL,
    "wallMs" REAL NOT NULL,
    "kind" TEXT NOT NULL,
    "strategy" TEXT NOT NULL,
    "parts" BLOB,
    CONSTRAINT "RunParts_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "PastRuns" (
    "day" DATETIME NOT NULL,
    "key" BLOB NOT NULL,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "strategy" TEXT NOT NULL,
    "name" TEXT,
    "functions" TEXT NOT NULL,
    "hosts" TEXT NOT NULL,
    "labels" TEXT NOT NULL,
    "runs" INTEGER NOT NULL,
    "firstCreatedAt" DATETIME NOT NULL,
    "lastCreatedAt" DATETIME NOT NULL,
    "wallMs" REAL NOT NULL,
    "parts" BLOB NOT NULL,

    PRIMARY KEY ("day", "key")
);

-- CreateIndex
CREATE INDEX "RunParts_owed_idx" ON "RunParts"("runId") WHERE parts IS NULL;

-- The runs that have ended by now: their parts are made from their rows.
INSERT INTO "RunParts" ("runId", "finishedAt", "wallMs", "kind", "strategy")
SELECT "id", "finishedAt", coalesce("durationMs", 0), "kind", "strategy" FROM "Run" WHERE "finishedAt" IS NOT NULL;
