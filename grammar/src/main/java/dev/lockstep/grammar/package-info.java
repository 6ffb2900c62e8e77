// SPDX-License-Identifier: Apache-2.0
/// Constrained decoding: a grammar of bytes and special tokens, and the machine that tells which
/// tokens of a vocabulary it allows next.
///
/// A grammar consists of rules over regular terminals. The machine is a pushdown automaton whose
/// states are made when they are first needed; what a state allows without its stack is a cached
/// mask over the vocabulary.
@NullMarked
package dev.lockstep.grammar;

import org.jspecify.annotations.NullMarked;
