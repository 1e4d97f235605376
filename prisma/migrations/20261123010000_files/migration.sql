-- CreateTable
CREATE TABLE "SourceFile" (
    "runId" INTEGER NOT NULL PRIMARY KEY,
    "file" TEXT NOT NULL,
    "form" TEXT NOT NULL,
    "stretches" BLOB NOT NULL
);

-- CreateIndex
CREATE INDEX "SourceFile_file_idx" ON "SourceFile"("file");
