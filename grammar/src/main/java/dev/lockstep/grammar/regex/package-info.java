// SPDX-License-Identifier: Apache-2.0
/// Regular expressions as people write them, read into regular languages of bytes.
///
/// A pattern is parsed into a tree over code points; an [Alphabet] says how a code point is spelled
/// in bytes, so that one pattern serves plain text and the inside of a JSON string.
@NullMarked
package dev.lockstep.grammar.regex;

import org.jspecify.annotations.NullMarked;
