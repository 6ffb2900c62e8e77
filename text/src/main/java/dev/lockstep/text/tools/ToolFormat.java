// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.List;

/// How a model writes tool calls: the markers around them, and the form of one.
///
/// An answer's calls are `sectionBegin callBegin CALL callEnd (separator callBegin CALL callEnd)*
/// sectionEnd`. White space in these texts is what the template writes; the parser accepts other.
///
/// @param contentSeparator white space between content and the first call
/// @param anywhere whether calls may follow content; otherwise they begin an answer or a channel
/// @param parallel whether the template renders more than one call of a message
/// @param variants other ways in which models write a call: they are read, but no grammar makes
///   them
public record ToolFormat(
        String contentSeparator,
        String sectionBegin,
        String callBegin,
        CallForm call,
        String callEnd,
        String separator,
        String sectionEnd,
        boolean anywhere,
        boolean parallel,
        List<Variant> variants) {
    /// Another text before a call, and the form of what follows.
    public record Variant(String callBegin, CallForm call) {
        public Variant {
            if (callBegin.isBlank()) {
                throw new IllegalArgumentException("a variant of calls without a text before them");
            }
        }
    }

    public ToolFormat {
        variants = List.copyOf(variants);
        if (!contentSeparator.isBlank()) {
            throw new IllegalArgumentException("contentSeparator is more than white space");
        }
        if (anywhere && (sectionBegin + callBegin).isBlank()) {
            throw new IllegalArgumentException("calls anywhere need a text before them");
        }
    }
}
