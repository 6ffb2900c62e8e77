// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// One step from text to the words that are tokenized independently; immutable.
@FunctionalInterface
interface PreTokenizer {
    Pieces apply(Pieces pieces);
}
