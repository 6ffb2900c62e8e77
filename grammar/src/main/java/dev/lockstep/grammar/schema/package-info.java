// SPDX-License-Identifier: Apache-2.0
/// JSON Schema as a grammar of the texts of its instances.
///
/// A schema becomes a formula over subschemas; a formula is expanded into what it allows of each
/// type ([Value]): regular languages for numbers and strings, lists of shapes for arrays and
/// objects. `allOf`, `anyOf`, `oneOf`, `not` and `if` are the algebra of these, and children stay
/// formulas until a rule is written for them, so recursion ends. What has no exact expression is
/// refused with keyword and place.
@NullMarked
package dev.lockstep.grammar.schema;

import org.jspecify.annotations.NullMarked;
