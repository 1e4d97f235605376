-- CreateTable
CREATE TABLE "RunBlob" (
    "sha256" BLOB NOT NULL,
    "runId" INTEGER NOT NULL,
    "bytes" REAL NOT NULL,

    PRIMARY KEY ("sha256", "runId"),
    CONSTRAINT "RunBlob_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "DeletedRun" (
    "id" INTEGER NOT NULL PRIMARY KEY
);

-- CreateIndex
CREATE INDEX "RunBlob_runId_idx" ON "RunBlob"("runId");
