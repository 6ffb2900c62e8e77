// SPDX-License-Identifier: Apache-2.0
// What the clients in Node share: the server's address, questions, and the line that scripts/clients reads.
export const URL = process.env.LOCKSTEP_URL;
export const MODEL = process.env.LOCKSTEP_MODEL;
export const KEY = "none";
export const QUESTION = [{ role: "user", content: "What is the capital of France?" }];
export const WEATHER_QUESTION = [{ role: "user", content: "How is the weather in Oslo?" }];
export const CITIES = ["Oslo", "Rome"];

export function check(what, holds) {
  if (!holds) {
    console.error("failed: " + what);
    process.exit(1);
  }
  console.log("passed: " + what);
}

/** Returns the error of a promise, or undefined. */
export async function error(promise) {
  try {
    await promise;
  } catch (thrown) {
    return thrown;
  }
}
