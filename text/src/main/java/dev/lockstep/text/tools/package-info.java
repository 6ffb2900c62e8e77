// SPDX-License-Identifier: Apache-2.0
/// How a model writes an answer: reasoning, content and tool calls, learnt from its chat template,
/// and the parser that takes an answer apart.
///
/// [AnswerFormat] is the description; [ToolCallParser] reads text by it, piece by piece.
@NullMarked
package dev.lockstep.text.tools;

import org.jspecify.annotations.NullMarked;
