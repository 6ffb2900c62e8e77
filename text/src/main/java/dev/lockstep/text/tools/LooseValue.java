// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Optional;
import java.util.Set;

/// Values without quotes, of which the schema tells what they stand for.
final class LooseValue {
    private static final ObjectMapper JSON = new ObjectMapper();

    private LooseValue() {}

    /// Writes a value as JSON: as the types allow, else as a string.
    static String json(String text, Set<SchemaType> types) {
        var in = new Input();
        in.append(text);
        in.end();
        var reader = new LooseReader(Optional.empty(), Optional.empty());
        if (reader.read(in) == Progress.DONE) {
            in.skipSpace();
            String json = reader.json();
            if (in.isEmpty() && allows(types, json)) {
                return json;
            }
        }
        return JsonText.quoted(text);
    }

    private static boolean allows(Set<SchemaType> types, String json) {
        try {
            SchemaType type = SchemaType.ofValue(JSON.readTree(json));
            return !types.contains(SchemaType.STRING)
                    || (types.contains(type) && type != SchemaType.STRING);
        } catch (JsonProcessingException e) {
            return false;
        }
    }
}
