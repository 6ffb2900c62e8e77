// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/// One prompt as a client sent it: text, or token ids.
sealed interface Prompt {

    /// Returns its token ids.
    ///
    /// @param field its name in error messages
    /// @param addSpecialTokens whether to add the tokens that the tokenizer puts around a text
    /// @param room the most tokens that leave room for the output: what may be left out is
    int[] encode(String field, ServedModel model, boolean addSpecialTokens, int room);

    /// As the other one, with room for all of it.
    default int[] encode(String field, ServedModel model, boolean addSpecialTokens) {
        return encode(field, model, addSpecialTokens, Integer.MAX_VALUE);
    }

    record Text(String text) implements Prompt {
        @Override
        public int[] encode(String field, ServedModel model, boolean addSpecialTokens, int room) {
            return model.encode(field, text, addSpecialTokens);
        }
    }

    /// A text of which the model writes the part between two others.
    ///
    /// @param before what the client sends as the prompt
    /// @param extras other files, as far as there is room for them
    record Middle(
            FillInTheMiddle tokens, String before, String after, List<FillInTheMiddle.Extra> extras)
            implements Prompt {
        public Middle {
            extras = List.copyOf(extras);
        }

        @Override
        public int[] encode(String field, ServedModel model, boolean addSpecialTokens, int room) {
            try {
                return tokens.prompt(
                        model.requireTokenizer(field),
                        before,
                        after,
                        extras,
                        addSpecialTokens,
                        room);
            } catch (IllegalArgumentException e) {
                throw ApiError.invalid(field, field + ": " + e.getMessage());
            }
        }
    }

    record Ids(List<Integer> ids) implements Prompt {
        public Ids {
            ids = List.copyOf(ids);
        }

        @Override
        public int[] encode(String field, ServedModel model, boolean addSpecialTokens, int room) {
            return ids.stream().mapToInt(Integer::intValue).toArray();
        }
    }

    /// Returns the name of one of several prompts in error messages: `prompt[1]`, but `prompt` if
    /// it is the only one.
    static String name(String field, int index, int count) {
        return count == 1 ? field : field + "[" + index + "]";
    }

    /// Reads a field with one prompt.
    static Prompt one(String field, Fields fields, ServedModel model) {
        List<Prompt> all = list(field, 1, fields, model);
        return all.getFirst();
    }

    /// Returns the prompts, each before a text that follows what is generated.
    static List<Prompt> before(
            String suffix,
            List<FillInTheMiddle.Extra> extras,
            List<Prompt> prompts,
            ServedModel model) {
        FillInTheMiddle tokens = FillInTheMiddle.require(model, "suffix");
        return prompts.stream().map(prompt -> before(suffix, extras, prompt, tokens)).toList();
    }

    private static Prompt before(
            String suffix,
            List<FillInTheMiddle.Extra> extras,
            Prompt prompt,
            FillInTheMiddle tokens) {
        if (prompt instanceof Text(String text)) {
            return new Middle(tokens, text, suffix, extras);
        }
        throw ApiError.invalid("suffix", "suffix is given, then prompt must be text");
    }

    /// Reads a field with text, token ids, or an array of either.
    static List<Prompt> list(String field, int max, Fields fields, ServedModel model) {
        JsonNode value = fields.value(field);
        if (value.isTextual()) {
            return List.of(new Text(Fields.text(field, value)));
        }
        if (value.isMissingNode()) {
            throw ApiError.invalid(field, field + " is missing, give text or token ids");
        }
        if (!value.isArray()) {
            throw Fields.wrong(field, "text, token ids, or an array of either", value);
        }
        if (value.isEmpty()) {
            throw ApiError.invalid(field, field + " is empty, give at least one token");
        }
        if (value.get(0).isTextual()) {
            return fields.list(field, max, (name, text) -> new Text(Fields.text(name, text)));
        }
        if (value.get(0).isArray()) {
            return fields.list(field, max, (name, ids) -> ids(name, ids, model));
        }
        return List.of(ids(field, value, model));
    }

    private static Prompt ids(String name, JsonNode value, ServedModel model) {
        if (!value.isArray()) {
            throw Fields.wrong(name, "an array of token ids", value);
        }
        List<Integer> ids = new ArrayList<>(value.size());
        for (int i = 0; i < value.size(); i++) {
            ids.add(model.requireToken(name + "[" + i + "]", value.get(i)));
        }
        return new Ids(ids);
    }
}
