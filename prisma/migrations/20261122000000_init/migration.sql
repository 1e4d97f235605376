-- CreateTable
CREATE TABLE "Run" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "key" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "strategy" TEXT NOT NULL,
    "name" TEXT,
    "function" TEXT,
    "createdAt" DATETIME NOT NULL,
    "startedAt" DATETIME,
    "finishedAt" DATETIME,
    "durationMs" REAL,
    "idempotencySpace" TEXT,
    "idempotencyKey" TEXT,
    "inputHash" TEXT,
    "effectiveStrategy" TEXT,
    "concurrency" INTEGER,
    "lanes" INTEGER,
    "total" INTEGER NOT NULL,
    "succeeded" INTEGER NOT NULL DEFAULT 0,
    "failed" INTEGER NOT NULL DEFAULT 0,
    "cancelled" INTEGER NOT NULL DEFAULT 0,
    "skipped" INTEGER NOT NULL DEFAULT 0,
    "bytes" REAL NOT NULL DEFAULT 0,
    "sequence" INTEGER NOT NULL DEFAULT 0,
    "lastTaskSequence" INTEGER NOT NULL DEFAULT 0,
    "finalThroughput" REAL NOT NULL DEFAULT 0,
    "times" TEXT NOT NULL,
    "reduction" TEXT NOT NULL,
    "failure" TEXT,
    "spec" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "Label" (
    "name" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "runId" INTEGER NOT NULL,

    PRIMARY KEY ("name", "value", "runId"),
    CONSTRAINT "Label_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "RunHost" (
    "host" TEXT NOT NULL,
    "runId" INTEGER NOT NULL,

    PRIMARY KEY ("host", "runId"),
    CONSTRAINT "RunHost_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "RunLane" (
    "runId" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "name" TEXT NOT NULL,

    PRIMARY KEY ("runId", "number"),
    CONSTRAINT "RunLane_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "SourceBlock" (
    "runId" INTEGER NOT NULL,
    "first" INTEGER NOT NULL,
    "count" INTEGER NOT NULL,
    "items" TEXT NOT NULL,

    PRIMARY KEY ("runId", "first"),
    CONSTRAINT "SourceBlock_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Task" (
    "runId" INTEGER NOT NULL,
    "sequence" INTEGER NOT NULL,
    "stage" INTEGER NOT NULL,
    "itemIndex" INTEGER NOT NULL,
    "status" INTEGER NOT NULL,
    "attempts" INTEGER NOT NULL,
    "lane" INTEGER,
    "startedMs" REAL,
    "queueWaitMs" REAL,
    "serviceMs" REAL,
    "cpuMs" REAL,
    "output" TEXT,
    "errorCode" TEXT,
    "errorMessage" TEXT,
    "errorRetryable" BOOLEAN,
    "history" TEXT,
    "url" TEXT,
    "finalUrl" TEXT,
    "host" TEXT,
    "httpStatus" INTEGER,
    "bytes" REAL,
    "sha256" BLOB,
    "contentType" TEXT,
    "redirects" INTEGER,
    "dnsMs" REAL,
    "connectMs" REAL,
    "tlsMs" REAL,
    "firstByteMs" REAL,
    "downloadMs" REAL,
    "reusedConnection" BOOLEAN,

    PRIMARY KEY ("runId", "sequence"),
    CONSTRAINT "Task_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "RunError" (
    "runId" INTEGER NOT NULL,
    "code" TEXT NOT NULL,
    "count" INTEGER NOT NULL,
    "sampleSequence" INTEGER NOT NULL,
    "message" TEXT NOT NULL,

    PRIMARY KEY ("runId", "code"),
    CONSTRAINT "RunError_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "RunSketch" (
    "runId" INTEGER NOT NULL PRIMARY KEY,
    "service" BLOB NOT NULL,
    "queueWait" BLOB NOT NULL,
    CONSTRAINT "RunSketch_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE UNIQUE INDEX "Run_key_key" ON "Run"("key");

-- CreateIndex
CREATE INDEX "Run_kind_idx" ON "Run"("kind");

-- CreateIndex
CREATE INDEX "Run_status_idx" ON "Run"("status");

-- CreateIndex
CREATE INDEX "Run_strategy_idx" ON "Run"("strategy");

-- CreateIndex
CREATE INDEX "Run_name_idx" ON "Run"("name");

-- CreateIndex
CREATE INDEX "Run_function_idx" ON "Run"("function");

-- CreateIndex
CREATE INDEX "Run_createdAt_idx" ON "Run"("createdAt");

-- CreateIndex
CREATE INDEX "Run_durationMs_idx" ON "Run"("durationMs");

-- CreateIndex
CREATE UNIQUE INDEX "Run_idempotencySpace_idempotencyKey_key" ON "Run"("idempotencySpace", "idempotencyKey");

-- CreateIndex
CREATE INDEX "Label_runId_idx" ON "Label"("runId");

-- CreateIndex
CREATE INDEX "RunHost_runId_idx" ON "RunHost"("runId");

-- CreateIndex
CREATE INDEX "Task_runId_startedMs_idx" ON "Task"("runId", "startedMs");

-- CreateIndex
CREATE UNIQUE INDEX "Task_runId_itemIndex_stage_key" ON "Task"("runId", "itemIndex", "stage");

-- CreateIndex
CREATE INDEX "Task_unsuccessful_idx" ON "Task"("runId", "status", "errorCode") WHERE status > 0;

-- CreateIndex
CREATE INDEX "Task_runId_host_idx" ON "Task"("runId", "host") WHERE host IS NOT NULL;

-- CreateIndex
-- Prisma has no words for an expression. A plain index on serviceMs costs 11 µs a row, as every row of a commit lands on a
-- page of its own; in stretches of 4,096 rows the pages of one commit are few, and it costs 1.2. Readers merge the stretches.
CREATE INDEX "Task_runId_segment_serviceMs_idx" ON "Task"("runId", "sequence" >> 12, "serviceMs");
