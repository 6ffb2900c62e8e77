// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;

/// Reads arguments that are elements, with elements in them for members and items. An argument is
/// passed on when it is complete, for its elements tell what it is.
final class ElementsReader implements CallReader {
    private static final int MAX_TAG = 1000;

    private final ArgumentForm.Elements form;
    private final SchemaParts parts;
    private final Deque<Element> open = new ArrayDeque<>();
    private boolean first = true;

    private record Child(String name, String json) {}

    private record Element(
            String name,
            JsonNode schema,
            Set<SchemaType> types,
            StringBuilder text,
            List<Child> children) {
        boolean mayHaveChildren() {
            return text.toString().isBlank()
                    && (types.contains(SchemaType.OBJECT) || types.contains(SchemaType.ARRAY));
        }
    }

    ElementsReader(ArgumentForm.Elements form, JsonNode parameters) {
        this.form = form;
        this.parts = new SchemaParts(parameters);
    }

    @Override
    public Progress read(Input in, CallSink sink) {
        while (true) {
            if (open.isEmpty()) {
                in.skipSpace();
            }
            if (in.isEmpty()) {
                return Progress.MORE;
            }
            CharSequence text = in.text();
            int tag = prefixEnd(text, in.at());
            if (tag == Literal.MORE) {
                return Progress.MORE;
            }
            if (tag == Literal.NO) {
                if (open.isEmpty()) {
                    return end(sink);
                }
                int next = in.at() + 1;
                while (next < text.length() && text.charAt(next) != form.prefix().charAt(0)) {
                    next++;
                }
                open.element().text().append(in.take(next));
                continue;
            }
            int tagEnd = tagEnd(text, tag);
            if (tagEnd == Literal.MORE) {
                return Progress.MORE;
            }
            String name = tagEnd < 0 ? "" : text.subSequence(tag + 1, tagEnd - 1).toString();
            if (!open.isEmpty() && name.equals("/" + open.element().name())) {
                in.moveTo(tagEnd);
                if (!close(sink)) {
                    return Progress.FAILED;
                }
            } else if (isName(name) && (open.isEmpty() || open.element().mayHaveChildren())) {
                in.moveTo(tagEnd);
                open(name);
            } else if (open.isEmpty()) {
                return end(sink);
            } else {
                open.element().text().append(in.take(tag));
            }
        }
    }

    private static boolean isName(String text) {
        return !text.isBlank() && text.charAt(0) != '/' && text.indexOf('"') < 0;
    }

    private int prefixEnd(CharSequence text, int from) {
        for (int i = 0; i < form.prefix().length(); i++) {
            if (from + i == text.length()) {
                return Literal.MORE;
            }
            if (text.charAt(from + i) != form.prefix().charAt(i)) {
                return Literal.NO;
            }
        }
        return from + form.prefix().length();
    }

    /// Returns the end of a tag without white space at its ends that begins at a place.
    private static int tagEnd(CharSequence text, int from) {
        for (int at = from; at < text.length() && at - from < MAX_TAG; at++) {
            char c = text.charAt(at);
            if (at == from ? c != '<' : c == '<') {
                return Literal.NO;
            }
            if (c == '>') {
                return at + 1;
            }
        }
        return text.length() - from < MAX_TAG ? Literal.MORE : Literal.NO;
    }

    private void open(String name) {
        JsonNode schema =
                open.isEmpty() ? parts.member(parts.root(), name) : partOf(open.element(), name);
        open.push(
                new Element(
                        name,
                        schema,
                        SchemaType.of(parts.root(), schema),
                        new StringBuilder(),
                        new ArrayList<>()));
    }

    private JsonNode partOf(Element whole, String name) {
        return name.equals(form.item()) && whole.types().contains(SchemaType.ARRAY)
                ? parts.item(whole.schema())
                : parts.member(whole.schema(), name);
    }

    /// Ends the innermost element; false if it has both text and elements.
    private boolean close(CallSink sink) {
        Element ended = open.pop();
        if (!ended.children().isEmpty() && !ended.text().toString().isBlank()) {
            return false;
        }
        String json = ended.children().isEmpty() ? scalar(ended) : compound(ended);
        if (open.isEmpty()) {
            sink.arguments((first ? "{" : ",") + JsonText.quoted(ended.name()) + ":" + json);
            first = false;
        } else {
            open.element().children().add(new Child(ended.name(), json));
        }
        return true;
    }

    private static String scalar(Element element) {
        String text = element.text().toString();
        Set<SchemaType> types = element.types();
        if (types.equals(Set.of(SchemaType.STRING))) {
            return JsonText.quoted(text);
        }
        if (text.isBlank() && !types.contains(SchemaType.STRING)) {
            if (types.contains(SchemaType.OBJECT)) {
                return "{}";
            }
            if (types.contains(SchemaType.ARRAY)) {
                return "[]";
            }
        }
        return LooseValue.json(text, types);
    }

    private String compound(Element element) {
        boolean items =
                element.types().contains(SchemaType.ARRAY)
                        && element.children().stream()
                                .allMatch(child -> child.name().equals(form.item()));
        var json = new StringBuilder(items ? "[" : "{");
        for (Child child : element.children()) {
            json.append(json.length() > 1 ? "," : "")
                    .append(items ? "" : JsonText.quoted(child.name()) + ":")
                    .append(child.json());
        }
        return json.append(items ? ']' : '}').toString();
    }

    private Progress end(CallSink sink) {
        sink.arguments(first ? "{}" : "}");
        return Progress.DONE;
    }
}
