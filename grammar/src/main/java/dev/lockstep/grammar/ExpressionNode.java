// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import org.jspecify.annotations.Nullable;

/// An expression in the normal form of its [ExpressionArena]: what is still to come at some place
/// of a rule. Equal nodes of an arena are one object.
final class ExpressionNode {
    enum Kind {
        /// The empty text.
        EMPTY(0),
        TERMINAL(1),
        SPECIAL(2),
        /// A first item and the rest.
        SEQUENCE(3),
        /// Without options it is nothing at all.
        CHOICE(4),
        REPEAT(5),
        REFERENCE(6);

        /// In encoded grammars.
        final int code;

        Kind(int code) {
            this.code = code;
        }
    }

    static final ExpressionNode[] NONE = {};

    final int id;
    final Kind kind;
    final int depth;
    final ExpressionNode[] items;
    final @Nullable RegexNode regex;

    /// The id of a special token, the index of a rule, or the least number of times.
    final int number;

    final int max;

    /// Whether it may be the empty text; false before [RuleAnalysis] knows it.
    boolean nullable;

    ExpressionNode(
            int id,
            Kind kind,
            int depth,
            ExpressionNode[] items,
            @Nullable RegexNode regex,
            int number,
            int max) {
        this.id = id;
        this.kind = kind;
        this.depth = depth;
        this.items = items;
        this.regex = regex;
        this.number = number;
        this.max = max;
    }

    ExpressionNode head() {
        return items[0];
    }

    ExpressionNode tail() {
        return items[1];
    }

    /// As [Object#hashCode], but the same in every run.
    @Override
    public int hashCode() {
        return id;
    }
}
