// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.Optional;

/// One part of an answer, in the order in which the model wrote it.
public sealed interface AnswerEvent {
    record Content(String text) implements AnswerEvent {}

    record Reasoning(String text) implements AnswerEvent {}

    /// A call begins; all further events of this index follow before another call begins.
    ///
    /// @param index counts the calls of the answer from 0
    /// @param id as the model wrote it before the call's arguments; most formats write none
    record CallStart(int index, Optional<String> id, String name) implements AnswerEvent {}

    /// The next fragment of a call's arguments; all fragments together are a JSON object.
    record Arguments(int index, String text) implements AnswerEvent {}

    record CallEnd(int index) implements AnswerEvent {}
}
