// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// The ids of two texts that a model reads together.
///
/// @param second the index of the first token of token type 1; the number of ids if there is none
/// @param end the number of ids up to the end of the second text
public record TokenPair(int[] ids, int second, int end) {}
