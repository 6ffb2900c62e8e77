// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Where a trial call stands in a text, from the first of its own texts to the end of its
/// arguments; and its form.
record CallSpan(int start, int end, CallForm form) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// Finds a call behind a place.
    static Optional<CallSpan> find(String text, int from, TrialCall call, ArgumentLearner learner) {
        int name = text.indexOf(call.name(), from);
        if (name < 0) {
            return Optional.empty();
        }
        Optional<JsonSpan> whole =
                JsonSpan.find(text, from, name, object -> jsonForm(object, call).isPresent());
        if (whole.isPresent()) {
            return Optional.of(
                    new CallSpan(
                            whole.get().start(),
                            whole.get().end(),
                            jsonForm(whole.get().object(), call).orElseThrow()));
        }
        int id = text.indexOf(call.id(), from);
        int start = id >= 0 && id < name ? id : name;
        return learner.find(text, name, call)
                .map(
                        found ->
                                new CallSpan(
                                        start,
                                        found.end(),
                                        new CallForm.Pieces(
                                                pieces(text.substring(start, found.start()), call),
                                                found.form())));
    }

    /// Returns the form of an object that is a whole call.
    private static Optional<CallForm> jsonForm(ObjectNode object, TrialCall call) {
        if (object.size() == 1 && call.json().equals(object.get(call.name()))) {
            return Optional.of(new CallForm.NamedJson());
        }
        Optional<String> name = Optional.empty();
        Optional<String> arguments = Optional.empty();
        Optional<String> id = Optional.empty();
        boolean isText = false;
        List<String> keys = new ArrayList<>();
        for (Map.Entry<String, JsonNode> field : object.properties()) {
            keys.add(field.getKey());
            JsonNode value = field.getValue();
            if (value.isTextual() && value.textValue().equals(call.name())) {
                name = Optional.of(field.getKey());
            } else if (value.isTextual() && value.textValue().equals(call.id())) {
                id = Optional.of(field.getKey());
            } else if (call.json().equals(value)
                    || (value.isTextual() && isJson(value.textValue(), call.json()))) {
                arguments = Optional.of(field.getKey());
                isText = value.isTextual();
            }
        }
        return name.isPresent() && arguments.isPresent()
                ? Optional.of(new CallForm.JsonCall(keys, name.get(), arguments.get(), id, isText))
                : Optional.empty();
    }

    private static boolean isJson(String text, JsonNode expected) {
        try {
            return expected.equals(JSON.readTree(text));
        } catch (JsonProcessingException e) {
            return false;
        }
    }

    /// Splits what stands before the arguments.
    private static List<Piece> pieces(String head, TrialCall call) {
        List<Piece> pieces = new ArrayList<>();
        int at = 0;
        while (at < head.length()) {
            int name = head.indexOf(call.name(), at);
            int id = head.indexOf(call.id(), at);
            int next = name < 0 ? id : id < 0 ? name : Math.min(name, id);
            int end = next < 0 ? head.length() : next;
            if (end > at) {
                pieces.add(new Piece.Text(head.substring(at, end)));
            }
            if (next < 0) {
                break;
            }
            pieces.add(next == name ? new Piece.Name() : new Piece.Id());
            at = next + (next == name ? call.name() : call.id()).length();
        }
        return pieces;
    }
}
