// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

/// What a state of a terminal allows whatever its stacks are.
///
/// @param inside tokens that stay within the terminal
/// @param tree where the nodes of `exits` are
/// @param exits prefixes of tokens with which the terminal may end, and with more bytes to come
/// @param manyExits whether there are so many that they are not listed
record Stay(TokenSet inside, PrefixTree tree, int[] exits, boolean manyExits) {}
