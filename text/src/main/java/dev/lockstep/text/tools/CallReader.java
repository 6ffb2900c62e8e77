// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;

/// Reads one call, or a part of it, from text that comes in pieces.
interface CallReader {
    Progress read(Input in, CallSink sink);

    /// Returns a reader of what stands between a format's texts before and after a call.
    ///
    /// @param call the form of this call
    /// @param functions the schemas of the parameters by the functions' names
    static CallReader of(ToolFormat format, CallForm call, Map<String, JsonNode> functions) {
        return switch (call) {
            case CallForm.JsonCall json -> new JsonCallReader(json);
            case CallForm.NamedJson json -> new JsonCallReader(json);
            case CallForm.Pieces pieces ->
                    new PiecesReader(
                            pieces,
                            format.callEnd().isBlank() ? format.sectionEnd() : format.callEnd(),
                            functions);
        };
    }
}
