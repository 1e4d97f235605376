-- AlterTable
ALTER TABLE "DeletedRun" ADD COLUMN "comparisonId" INTEGER;

-- AlterTable
ALTER TABLE "Run" ADD COLUMN "comparisonId" INTEGER;
ALTER TABLE "Run" ADD COLUMN "interrupted" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "Comparison" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "key" TEXT NOT NULL,
    "name" TEXT,
    "createdAt" DATETIME NOT NULL,
    "strategies" TEXT NOT NULL,
    "rounds" INTEGER NOT NULL
);

-- CreateTable
CREATE TABLE "ComparisonBlock" (
    "comparisonId" INTEGER NOT NULL,
    "first" INTEGER NOT NULL,
    "count" INTEGER NOT NULL,
    "items" TEXT NOT NULL,

    PRIMARY KEY ("comparisonId", "first")
);

-- CreateIndex
CREATE UNIQUE INDEX "Comparison_key_key" ON "Comparison"("key");

-- CreateIndex
CREATE INDEX "Run_comparisonId_idx" ON "Run"("comparisonId") WHERE comparisonId IS NOT NULL;
