// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

/// Names of models in Ollama's API, where a name without a tag means the tag `latest`.
final class OllamaName {
    private static final String LATEST = ":latest";

    private OllamaName() {}

    /// Returns the name of the served model that a request means; refuses another one.
    static String require(Fields fields, String field, ServedModel model) {
        String requested = fields.requireText(field);
        String name =
                !model.names().contains(requested) && requested.endsWith(LATEST)
                        ? requested.substring(0, requested.length() - LATEST.length())
                        : requested;
        model.requireName(name);
        return name;
    }

    /// Returns a name with its tag.
    static String tagged(String name) {
        return name.contains(":") ? name : name + LATEST;
    }
}
