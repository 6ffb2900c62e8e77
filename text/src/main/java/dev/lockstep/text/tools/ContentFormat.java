// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.List;

/// How a model writes what is for the user. Most write plain text; some name a channel first.
///
/// @param openings one of these stands before the content; none for plain text
/// @param closings what may stand after it and before more of the answer
/// @param ends what ends a turn: dropped at the end of an answer
public record ContentFormat(List<String> openings, List<String> closings, List<String> ends) {
    public ContentFormat {
        openings = List.copyOf(openings);
        closings = List.copyOf(closings);
        ends = List.copyOf(ends);
    }
}
