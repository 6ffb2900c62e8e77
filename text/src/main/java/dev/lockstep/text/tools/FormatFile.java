// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.text.ChatTemplate;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A description of a format as JSON, for templates that do not show it.
///
/// Parts that it leaves out are learnt.
///
/// @param when texts that a template has which this describes; none in a user's file
record FormatFile(
        List<String> when,
        Optional<ReasoningFormat> reasoning,
        Optional<ContentFormat> content,
        Optional<ToolFormat> tools) {
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final List<String> OURS =
            List.of("kimi-thinking", "kimi", "lfm2", "mistral-think", "harmony");

    /// Returns our file for a template.
    static Optional<FormatFile> of(ChatTemplate template) {
        return OURS.stream()
                .map(FormatFile::ours)
                .filter(file -> file.when().stream().allMatch(template::names))
                .findFirst();
    }

    /// Reads a user's file.
    ///
    /// @throws IllegalArgumentException with one line that names the file and the fault
    static FormatFile read(Path file) {
        try {
            return parse(file.toString(), Files.readString(file));
        } catch (NoSuchFileException e) {
            throw new IllegalArgumentException(file + ": no such file", e);
        } catch (IOException e) {
            throw new IllegalArgumentException(file + " cannot be read: " + e, e);
        }
    }

    private static FormatFile ours(String name) {
        String resource = "tool-formats/" + name + ".json";
        try (InputStream in = FormatFile.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("no resource " + resource);
            }
            return parse(resource, new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static FormatFile parse(String name, String text) {
        try {
            return parse(new Part(name, JSON.readTree(text)));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(name + " is not JSON: " + e.getOriginalMessage(), e);
        } catch (IllegalArgumentException e) {
            String fault = String.valueOf(e.getMessage());
            // what a part of the format checks itself does not name the file
            throw fault.startsWith(name) ? e : new IllegalArgumentException(name + ": " + fault, e);
        }
    }

    private static FormatFile parse(Part root) {
        root.allow("when", "reasoning", "content", "tools");
        return new FormatFile(
                root.texts("when"),
                root.part("reasoning").map(FormatFile::reasoning),
                root.part("content").map(FormatFile::content),
                root.part("tools").map(FormatFile::tools));
    }

    private static ReasoningFormat reasoning(Part part) {
        part.allow("opening", "closing");
        return new ReasoningFormat(part.text("opening"), part.text("closing"), false, false);
    }

    private static ContentFormat content(Part part) {
        part.allow("openings", "closings", "ends");
        return new ContentFormat(
                part.texts("openings"), part.texts("closings"), part.texts("ends"));
    }

    private static ToolFormat tools(Part part) {
        part.allow(
                "content_separator",
                "section_begin",
                "call_begin",
                "call",
                "call_end",
                "separator",
                "section_end",
                "anywhere",
                "parallel",
                "variants");
        return new ToolFormat(
                part.textOr("content_separator", ""),
                part.textOr("section_begin", ""),
                part.textOr("call_begin", ""),
                call(part.need("call")),
                part.textOr("call_end", ""),
                part.textOr("separator", ""),
                part.textOr("section_end", ""),
                part.flag("anywhere", true),
                part.flag("parallel", true),
                part.parts("variants").stream().map(FormatFile::variant).toList());
    }

    private static ToolFormat.Variant variant(Part part) {
        part.allow("call_begin", "call");
        return new ToolFormat.Variant(part.text("call_begin"), call(part.need("call")));
    }

    private static CallForm call(Part part) {
        part.allow("json", "named_json", "pieces", "arguments");
        Optional<Part> json = part.part("json");
        if (json.isPresent()) {
            json.get().allow("keys", "name", "arguments", "id", "text_arguments");
            return new CallForm.JsonCall(
                    json.get().texts("keys"),
                    json.get().text("name"),
                    json.get().text("arguments"),
                    Optional.of(json.get().textOr("id", "")).filter(id -> !id.isEmpty()),
                    json.get().flag("text_arguments", false));
        }
        return part.flag("named_json", false)
                ? new CallForm.NamedJson()
                : new CallForm.Pieces(
                        part.choices("pieces").stream().map(FormatFile::piece).toList(),
                        arguments(part.need("arguments")));
    }

    /// Reads a piece: `NAME`, `ID` and `INDEX` are places, all else is text, or one of several.
    private static Piece piece(List<String> texts) {
        if (texts.size() != 1) {
            return new Piece.Either(texts);
        }
        String text = texts.getFirst();
        return switch (text) {
            case "NAME" -> new Piece.Name();
            case "ID" -> new Piece.Id();
            case "INDEX" -> new Piece.Index();
            default -> new Piece.Text(text);
        };
    }

    private static ArgumentForm arguments(Part part) {
        part.allow(
                "form", "begin", "values", "separator", "raw_strings", "quote", "prefix", "item");
        return switch (part.text("form")) {
            case "json" -> new ArgumentForm.Json();
            case "python" -> new ArgumentForm.Python(part.flag("raw_strings", false));
            case "quoted" -> new ArgumentForm.Quoted(part.text("quote"));
            case "tagged" ->
                    new ArgumentForm.Tagged(
                            part.text("begin"),
                            part.parts("values").stream().map(FormatFile::value).toList(),
                            part.textOr("separator", ""));
            case "elements" ->
                    new ArgumentForm.Elements(part.text("prefix"), part.textOr("item", "item"));
            default ->
                    throw part.fault(
                            "form must be json, python, quoted, tagged or elements, not "
                                    + part.text("form"));
        };
    }

    private static ArgumentForm.Value value(Part part) {
        part.allow("opening", "closing", "type");
        ArgumentForm.ValueType type =
                switch (part.textOr("type", "by_schema")) {
                    case "by_schema" -> ArgumentForm.ValueType.BY_SCHEMA;
                    case "string" -> ArgumentForm.ValueType.STRING;
                    case "json" -> ArgumentForm.ValueType.JSON;
                    default -> throw part.fault("type must be by_schema, string or json");
                };
        return new ArgumentForm.Value(part.text("opening"), part.text("closing"), type);
    }

    /// An object of the file, with the place of its faults.
    private record Part(String place, JsonNode node) {
        Part {
            if (!node.isObject()) {
                throw new IllegalArgumentException(place + " is not an object");
            }
        }

        IllegalArgumentException fault(String fault) {
            return new IllegalArgumentException(place + ": " + fault);
        }

        void allow(String... fields) {
            for (Map.Entry<String, JsonNode> field : node.properties()) {
                if (!List.of(fields).contains(field.getKey())) {
                    throw fault("unknown field " + field.getKey());
                }
            }
        }

        Optional<Part> part(String field) {
            return node.has(field)
                    ? Optional.of(new Part(place + "." + field, node.get(field)))
                    : Optional.empty();
        }

        Part need(String field) {
            return part(field).orElseThrow(() -> fault(field + " is missing"));
        }

        List<Part> parts(String field) {
            List<Part> parts = new ArrayList<>();
            for (JsonNode each : node.path(field)) {
                parts.add(new Part(place + "." + field, each));
            }
            return parts;
        }

        String text(String field) {
            if (!node.path(field).isTextual()) {
                throw fault(field + " is missing or no text");
            }
            return node.get(field).textValue();
        }

        String textOr(String field, String other) {
            return node.has(field) ? text(field) : other;
        }

        boolean flag(String field, boolean other) {
            if (node.has(field) && !node.get(field).isBoolean()) {
                throw fault(field + " is neither true nor false");
            }
            return node.path(field).asBoolean(other);
        }

        List<String> texts(String field) {
            return texts(field, node.path(field));
        }

        private List<String> texts(String field, JsonNode list) {
            List<String> texts = new ArrayList<>();
            for (JsonNode each : list) {
                if (!each.isTextual()) {
                    throw fault(field + " has an entry that is no text");
                }
                texts.add(each.textValue());
            }
            return texts;
        }

        /// Returns the entries of a list, of which each is a text or a list of texts.
        List<List<String>> choices(String field) {
            List<List<String>> choices = new ArrayList<>();
            for (JsonNode each : node.path(field)) {
                choices.add(
                        each.isArray()
                                ? texts(field, each)
                                : texts(field, JSON.createArrayNode().add(each)));
            }
            return choices;
        }
    }
}
