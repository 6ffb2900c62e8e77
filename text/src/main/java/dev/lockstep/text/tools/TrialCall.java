// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A call in a trial conversation. Its texts occur in no template.
///
/// @param id of nine letters and digits, which some templates demand
record TrialCall(String id, String name, Map<String, Object> arguments) {
    private static final ObjectMapper JSON = new ObjectMapper();

    static final String KEY = "qzkey";
    static final String VALUE = "qzvalue";
    static final String SECOND_KEY = "qzmore";
    static final String SECOND_VALUE = "qzthing";

    /// Holds what templates escape, if they escape anything.
    static final String HARD_VALUE = "qz'<a>&\"\\\nqy";

    static final String HARD_VALUE_END = "qy";

    static final int NUMBER = 75319;

    private static final Map<String, Object> PARAMETERS =
            Map.of(
                    "type",
                    "object",
                    "properties",
                    Map.of(
                            KEY,
                            Map.of("type", "string", "description", "d"),
                            SECOND_KEY,
                            Map.of("type", "string", "description", "d"),
                            "qznumber",
                            Map.of("type", "integer", "description", "d")),
                    "required",
                    List.of(KEY));

    static final TrialCall FIRST =
            new TrialCall("qzid00001", "qzfirst", arguments(KEY, VALUE, SECOND_KEY, SECOND_VALUE));
    static final TrialCall SECOND =
            new TrialCall("qzid00002", "qzsecond", arguments(KEY, VALUE, SECOND_KEY, SECOND_VALUE));
    static final TrialCall HARD = new TrialCall("qzid00001", "qzfirst", Map.of(KEY, HARD_VALUE));
    static final TrialCall NUMERIC =
            new TrialCall("qzid00001", "qzfirst", Map.of("qznumber", NUMBER));

    private static Map<String, Object> arguments(
            String key, Object value, String secondKey, Object secondValue) {
        Map<String, Object> arguments = new LinkedHashMap<>();
        arguments.put(key, value);
        arguments.put(secondKey, secondValue);
        return arguments;
    }

    JsonNode json() {
        return JSON.valueToTree(arguments);
    }

    Map<String, Object> field() {
        return Map.of(
                "id",
                id,
                "type",
                "function",
                "function",
                Map.of("name", name, "arguments", arguments));
    }

    /// Returns the declarations of the functions that trials call.
    static List<Map<String, Object>> tools() {
        return List.of(tool(FIRST.name()), tool(SECOND.name()));
    }

    static Map<String, JsonNode> functions() {
        JsonNode parameters = JSON.valueToTree(PARAMETERS);
        return Map.of(FIRST.name(), parameters, SECOND.name(), parameters);
    }

    private static Map<String, Object> tool(String name) {
        return Map.of(
                "type",
                "function",
                "function",
                Map.of("name", name, "description", "d", "parameters", PARAMETERS));
    }
}
