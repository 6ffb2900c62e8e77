// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The functions that a request offers to the model, and whether it must call one.
///
/// @param declared for the template: objects with `type` and `function`
/// @param callable the schemas of the parameters by name of the functions that the model may call
/// @param strict the names of those whose calls must match their schema, or the request is refused
/// @param parallel whether an answer may have more than one call
/// @param form how the response has calls
/// @param field that has the functions, for error messages
record RequestTools(
        List<Map<String, @Nullable Object>> declared,
        Map<String, JsonNode> callable,
        Set<String> strict,
        Choice choice,
        boolean parallel,
        ChatMessageFormat form,
        String field) {
    static final RequestTools NONE =
            new RequestTools(
                    List.of(),
                    Map.of(),
                    Set.of(),
                    Choice.AUTO,
                    true,
                    ChatMessageFormat.TOOL_CALLS,
                    "tools");

    /// Whether the model calls.
    enum Choice {
        AUTO,
        REQUIRED
    }

    RequestTools {
        declared = List.copyOf(declared);
        callable = new LinkedHashMap<>(callable);
        strict = Set.copyOf(strict);
    }

    /// Returns whether the model may call nothing.
    boolean isEmpty() {
        return callable.isEmpty();
    }

    boolean isRequired() {
        return choice == Choice.REQUIRED;
    }

    /// Returns whether calls that do not match their schema must be impossible.
    boolean mustBeConstrained() {
        return isRequired() || !strict.isEmpty();
    }
}
