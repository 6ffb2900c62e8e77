// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.regex.RegexSyntax;
import dev.lockstep.grammar.schema.JsonSchema;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.grammar.schema.SchemaLimits;
import dev.lockstep.grammar.text.GrammarSyntax;
import dev.lockstep.grammar.text.TextChoice;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/// Reads what a request demands of the generated text: `response_format`, and the fields of the
/// same purpose that other servers have. At most one of them may be given.
final class ConstraintFields {
    private static final String WHITESPACE = "whitespace";
    private static final String ANY_OBJECT = "{\"type\":\"object\"}";

    /// What `structured_outputs` has one of.
    private static final List<String> KINDS =
            List.of("json", "regex", "choice", "grammar", "json_object", "structural_tag");

    private final Fields fields;
    private final ServedModel model;
    private final List<ConstraintSource> found = new ArrayList<>();

    private ConstraintFields(Fields fields, ServedModel model) {
        this.fields = fields;
        this.model = model;
    }

    static Optional<ConstraintSource> parse(Fields fields, ServedModel model) {
        return new ConstraintFields(fields, model).parse();
    }

    private Optional<ConstraintSource> parse() {
        Layout layout = layout(fields, Layout.COMPACT);
        fields.object("response_format").ifPresent(format -> responseFormat(format, layout));
        fields.object("structured_outputs").ifPresent(outputs -> structured(outputs, layout));
        addSchema(fields, "guided_json", layout);
        addSchema(fields, "json_schema", layout);
        addRegex(fields, "guided_regex");
        addRegex(fields, "regex");
        addChoice(fields, "guided_choice");
        addGrammar(fields, "guided_grammar");
        addGrammar(fields, "grammar");
        addGrammar(fields, "ebnf");
        addStructuralTag(fields, "structural_tag", layout);
        if (found.size() > 1) {
            String second = found.get(1).field();
            throw ApiError.invalid(
                    second,
                    "%s and %s both say what the text must be; give one of them"
                            .formatted(found.getFirst().field(), second));
        }
        found.forEach(source -> model.requireTokenizer(source.field()));
        return found.stream().findFirst();
    }

    private void responseFormat(Fields format, Layout outer) {
        Layout layout = layout(format, outer);
        String type = format.requireText("type");
        switch (type) {
            case "text" -> {}
            case "json_object" -> {
                // The schema in llama.cpp's form.
                if (format.has("schema")) {
                    addSchema(format, "schema", layout);
                } else {
                    addAnyObject(format.name("type"), layout);
                }
            }
            case "json_schema" -> {
                Fields schema = format.object("json_schema").orElseThrow(() -> missing(format));
                schema.text("name");
                // Every schema is enforced, also one that is not declared strict.
                schema.flag("strict", true);
                if (!schema.has("schema")) {
                    throw ApiError.invalid(
                            schema.name("schema"),
                            schema.name("schema") + " is missing, give a JSON Schema");
                }
                addSchema(schema, "schema", layout(schema, layout));
            }
            case "structural_tag" ->
                    add(
                            format.name("type"),
                            layout,
                            "tag",
                            format.node().toString(),
                            StructuralTag.of(format.node(), model, layout)::grammar);
            default ->
                    throw Fields.outside(
                            format.name("type"),
                            format.value("type"),
                            "{text, json_object, json_schema, structural_tag}");
        }
    }

    private static ApiError missing(Fields format) {
        return ApiError.invalid(
                format.name("json_schema"),
                format.name("json_schema") + " is missing, give its name and schema");
    }

    private void structured(Fields outputs, Layout outer) {
        if (outputs.flag("disable_additional_properties", false)) {
            throw unserved(outputs, "disable_additional_properties", "additionalProperties");
        }
        if (outputs.has("whitespace_pattern")) {
            throw unserved(outputs, "whitespace_pattern", WHITESPACE);
        }
        Layout layout =
                layout(
                        outputs,
                        outputs.flag("disable_any_whitespace", false) ? Layout.COMPACT : outer);
        int before = found.size();
        addSchema(outputs, "json", layout);
        addRegex(outputs, "regex");
        addChoice(outputs, "choice");
        addGrammar(outputs, "grammar");
        if (outputs.flag("json_object", false)) {
            addAnyObject(outputs.name("json_object"), layout);
        }
        addStructuralTag(outputs, "structural_tag", layout);
        if (found.size() == before) {
            throw ApiError.invalid(
                    "structured_outputs",
                    "structured_outputs has none of "
                            + String.join(", ", KINDS)
                            + ", it must have one");
        }
    }

    private static ApiError unserved(Fields outputs, String field, String instead) {
        return ApiError.unserved(
                outputs.name(field), outputs.name(field) + " is not served; use " + instead);
    }

    /// Adds a schema: an object, a boolean, or the text of one.
    private void addSchema(Fields owner, String field, Layout layout) {
        if (!owner.has(field)) {
            return;
        }
        JsonNode value = owner.value(field);
        if (!value.isObject() && !value.isBoolean() && !value.isTextual()) {
            throw Fields.wrong(owner.name(field), "a JSON Schema", value);
        }
        String schema = Json.wellFormed(value.isTextual() ? value.textValue() : value.toString());
        add(
                owner.name(field),
                layout,
                "schema",
                schema,
                () -> JsonSchema.grammar(schema, layout, SchemaLimits.DEFAULT));
    }

    private void addAnyObject(String name, Layout layout) {
        add(
                name,
                layout,
                "schema",
                ANY_OBJECT,
                () -> JsonSchema.grammar(ANY_OBJECT, layout, SchemaLimits.DEFAULT));
    }

    private void addRegex(Fields owner, String field) {
        text(owner, field)
                .ifPresent(
                        regex ->
                                add(
                                        owner.name(field),
                                        Layout.COMPACT,
                                        "regex",
                                        regex,
                                        () -> RegexSyntax.grammar(regex)));
    }

    private void addGrammar(Fields owner, String field) {
        text(owner, field)
                .ifPresent(
                        grammar ->
                                add(
                                        owner.name(field),
                                        Layout.COMPACT,
                                        "grammar",
                                        grammar,
                                        () -> GrammarSyntax.grammar(grammar)));
    }

    private void addChoice(Fields owner, String field) {
        if (!owner.has(field)) {
            return;
        }
        List<String> texts = owner.list(field, TextChoice.MAX_TEXTS, Fields::text);
        var content = new StringBuilder();
        texts.forEach(text -> content.append(text.length()).append(' ').append(text));
        add(
                owner.name(field),
                Layout.COMPACT,
                "choice",
                content.toString(),
                () -> TextChoice.grammar(texts));
    }

    private void addStructuralTag(Fields owner, String field, Layout layout) {
        if (!owner.has(field)) {
            return;
        }
        JsonNode value = owner.value(field);
        String name = owner.name(field);
        JsonNode tag =
                value.isTextual()
                        ? new EmbeddedJson().object(name, value.textValue())
                        : Fields.object(name, value).node();
        add(name, layout, "tag", tag.toString(), StructuralTag.of(tag, model, layout)::grammar);
    }

    private void add(
            String name, Layout layout, String kind, String content, Supplier<Grammar> grammar) {
        found.add(new ConstraintSource(name, kind + " " + layout + " " + content, grammar));
    }

    /// Reads a text; an empty one is absent, as in other servers.
    private static Optional<String> text(Fields owner, String field) {
        return owner.text(field).filter(text -> !text.isEmpty());
    }

    private static Layout layout(Fields owner, Layout otherwise) {
        Optional<String> word = owner.text(WHITESPACE);
        if (word.isEmpty()) {
            return otherwise;
        }
        return switch (word.get()) {
            case "compact" -> Layout.COMPACT;
            case "flexible" -> Layout.FLEXIBLE;
            default ->
                    throw Fields.outside(
                            owner.name(WHITESPACE), owner.value(WHITESPACE), "{compact, flexible}");
        };
    }
}
