// SPDX-License-Identifier: Apache-2.0
// What every client of the matrix uses: the server's address, and the line that scripts/clients reads.
export const URL = process.env.LOCKSTEP_URL;
export const MODEL = process.env.LOCKSTEP_MODEL;
export const KEY = "none";
export const QUESTION = [{ role: "user", content: "What is the capital of France?" }];

export function check(what, holds) {
  if (!holds) {
    console.error("failed: " + what);
    process.exit(1);
  }
  console.log("passed: " + what);
}
