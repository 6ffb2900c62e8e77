// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

/// How a model writes its reasoning: between an opening and a closing marker, with the white space
/// that the template writes around it.
///
/// @param opening such as `<think>` and a line feed
/// @param closing such as a line feed, `</think>` and two line feeds
/// @param opened whether the generation prompt of the template's defaults already ends with the
///   opening marker
/// @param kept whether the template renders the reasoning of a turn that answers the last user
///   message
public record ReasoningFormat(String opening, String closing, boolean opened, boolean kept) {
    public ReasoningFormat {
        if (opening.isBlank() || closing.isBlank()) {
            throw new IllegalArgumentException("reasoning without an opening or a closing marker");
        }
    }

    /// Returns whether an answer to this prompt begins within the reasoning.
    public boolean isOpenedBy(String prompt) {
        return prompt.stripTrailing().endsWith(opening.strip());
    }

    /// Returns whether a prompt ends with reasoning that it closed, so that an answer has none.
    public boolean isClosedBy(String prompt) {
        return prompt.stripTrailing().endsWith(closing.strip());
    }
}
