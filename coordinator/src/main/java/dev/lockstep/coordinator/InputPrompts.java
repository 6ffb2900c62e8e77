// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.SentenceModel;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The text before an input, which the model's files have by name: `prompt_name`, or `input_type`
/// of other APIs where the model has a prompt for it.
final class InputPrompts {
    static final String NAME = "prompt_name";
    static final String TYPE = "input_type";
    private static final String QUERY = "query";

    /// The names of prompts of what is searched, in the order in which sentence-transformers looks
    /// for them.
    private static final List<String> DOCUMENTS = List.of("document", "passage", "corpus");

    private InputPrompts() {}

    /// Returns the prompt that a request names, or the model's default.
    static String of(Fields fields, ServedModel model) {
        return named(fields, model).orElseGet(() -> byDefault(model.sentence()));
    }

    /// Returns the prompt that a request names.
    static Optional<String> named(Fields fields, ServedModel model) {
        Map<String, String> prompts = model.sentence().prompts();
        Optional<String> name = fields.text(NAME).filter(each -> !each.isEmpty());
        Optional<String> type = fields.text(TYPE).filter(each -> !each.isEmpty());
        if (name.isPresent() && type.isPresent()) {
            throw ApiError.invalid(TYPE, "input_type and prompt_name are given, give one");
        }
        if (name.isPresent()) {
            return Optional.of(require(NAME, name.get(), name, prompts));
        }
        return type.map(each -> require(TYPE, each, ofType(each, prompts), prompts));
    }

    private static String require(
            String field, String value, Optional<String> name, Map<String, String> prompts) {
        return name.map(prompts::get)
                .orElseThrow(
                        () ->
                                ApiError.unserved(
                                        field,
                                        "%s is %s, %s"
                                                .formatted(
                                                        field,
                                                        Json.quoted(value),
                                                        prompts.isEmpty()
                                                                ? "and the model's files have no prompts"
                                                                : "the model's prompts are "
                                                                        + String.join(
                                                                                ", ",
                                                                                prompts
                                                                                        .keySet()))));
    }

    private static Optional<String> ofType(String type, Map<String, String> prompts) {
        if (prompts.containsKey(type)) {
            return Optional.of(type);
        }
        return switch (type) {
            case QUERY, "search_query" -> Optional.of(QUERY);
            case "document", "passage", "corpus", "search_document" -> document(prompts);
            default -> Optional.empty();
        };
    }

    private static Optional<String> document(Map<String, String> prompts) {
        return DOCUMENTS.stream().filter(prompts::containsKey).findFirst();
    }

    /// Returns the prompt of a text that is searched with.
    static String query(SentenceModel model) {
        String own = model.prompts().get(QUERY);
        return own == null ? byDefault(model) : own;
    }

    /// Returns the prompt of a text that is searched.
    static String document(SentenceModel model) {
        return document(model.prompts())
                .map(model.prompts()::get)
                .orElseGet(() -> byDefault(model));
    }

    static String byDefault(SentenceModel model) {
        return model.defaultPrompt().map(model.prompts()::get).orElse("");
    }
}
