// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.Regex;
import java.util.List;

/// The right side of a rule or terminal of a Lark grammar, before names are resolved.
sealed interface LarkTree {
    record Leaf(Regex regex) implements LarkTree {}

    /// A rule or terminal by name.
    ///
    /// @param place where the name stands
    record Name(String name, int place) implements LarkTree {}

    record Sequence(List<LarkTree> items) implements LarkTree {}

    record Choice(List<LarkTree> options) implements LarkTree {}

    record Repeat(LarkTree item, int min, int max) implements LarkTree {}
}
