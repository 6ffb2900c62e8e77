// SPDX-License-Identifier: Apache-2.0
/// Grammars as people write them: GBNF of llama.cpp, Lark, and a choice of texts.
///
/// There is no lexer between the text and the rules: a text is accepted if it can be divided into
/// terminals in any way.
@NullMarked
package dev.lockstep.grammar.text;

import org.jspecify.annotations.NullMarked;
