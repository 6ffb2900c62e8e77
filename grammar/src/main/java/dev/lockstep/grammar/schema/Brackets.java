// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;

/// What stands around the parts of an array or an object, and between two of them.
///
/// @param empty the whole without parts
record Brackets(Expression opening, Expression closing, Expression empty, Expression comma) {}
