// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

/// A grammar in normal form: each rule that its start needs matches some text, and none begins with
/// itself.
///
/// @param rules by the numbers of references
/// @param start the number of the first rule
record NormalGrammar(ExpressionArena arena, ExpressionNode[] rules, int start) {
    ExpressionNode startRule() {
        return rules[start];
    }
}
