-- CreateTable
CREATE TABLE "AttemptSegment" (
    "runId" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "firstStartMs" REAL,
    "attempts" BLOB NOT NULL,

    PRIMARY KEY ("runId", "number"),
    CONSTRAINT "AttemptSegment_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
