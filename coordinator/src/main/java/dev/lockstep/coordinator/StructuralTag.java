// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.RegexSyntax;
import dev.lockstep.grammar.schema.JsonSchema;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.grammar.schema.SchemaLimits;
import dev.lockstep.grammar.text.GrammarSyntax;
import dev.lockstep.text.tools.MarkerTokens;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Free text with constrained parts between markers, in the form of vLLM: `structures` and
/// `triggers`, or a `format` of nested parts.
///
/// A marker that is a special token of the model is that token in the grammar. Free text has no
/// special tokens, and none of the triggers.
final class StructuralTag {
    private final JsonNode tag;
    private final ServedModel model;
    private final Layout layout;
    private final Map<String, Expression> rules = new HashMap<>();
    private MarkerTokens markers = new MarkerTokens(Map.of());
    private int grammars;

    private StructuralTag(JsonNode tag, ServedModel model, Layout layout) {
        this.tag = tag;
        this.model = model;
        this.layout = layout;
    }

    static StructuralTag of(JsonNode tag, ServedModel model, Layout layout) {
        return new StructuralTag(tag, model, layout);
    }

    /// Makes the grammar, once.
    ///
    /// @throws IllegalArgumentException with the place of what is wrong
    Grammar grammar() {
        markers = new MarkerTokens(model.specialTokens());
        Expression whole =
                tag.has("format")
                        ? format(tag.get("format"), "format")
                        : triggered(
                                list(tag, "triggers", ""),
                                list(tag, "structures", ""),
                                "",
                                false,
                                false);
        rules.put("%tags", whole);
        return new Grammar(rules, "%tags");
    }

    private Expression format(JsonNode part, String place) {
        String type = text(part, "type", place);
        return switch (type) {
            case "const_string" -> markers.literal(text(part, "value", place));
            case "any_text" -> Expression.terminal(Regex.ANY_TEXT);
            case "json_schema" -> schema(member(part, "json_schema", place));
            case "regex" -> embedded(RegexSyntax.grammar(text(part, "pattern", place)));
            case "grammar" -> embedded(GrammarSyntax.grammar(text(part, "grammar", place)));
            case "sequence" -> new Expression.Sequence(formats(part, place));
            case "or" -> new Expression.Choice(formats(part, place));
            case "tag" -> tag(part, place, markers.literal(text(part, "begin", place)));
            case "triggered_tags" ->
                    triggered(
                            list(part, "triggers", place),
                            list(part, "tags", place),
                            place,
                            part.path("at_least_one").asBoolean(),
                            part.path("stop_after_first").asBoolean());
            case "tags_with_separator" -> separated(part, place);
            default ->
                    throw new IllegalArgumentException(
                            place + ".type is \"" + Json.quoted(type) + "\", which is not served");
        };
    }

    private List<Expression> formats(JsonNode part, String place) {
        List<Expression> formats = new ArrayList<>();
        for (JsonNode each : list(part, "elements", place)) {
            formats.add(format(each, place + ".elements[" + formats.size() + "]"));
        }
        return formats;
    }

    /// A tag whose `begin`, or what is left of it, is `opening`.
    private Expression tag(JsonNode part, String place, Expression opening) {
        String end = text(part, "end", place);
        if (part.has("schema")) {
            return Expression.sequence(opening, schema(part.get("schema")), markers.literal(end));
        }
        JsonNode content = member(part, "content", place);
        String inner = place + ".content";
        if (text(content, "type", inner).equals("any_text")) {
            return Expression.sequence(opening, until(end));
        }
        return Expression.sequence(opening, format(content, inner), markers.literal(end));
    }

    /// Any text up to and with a marker.
    private Expression until(String marker) {
        MarkerTokens.Split split = markers.split(marker);
        if (split.text().isEmpty() && split.special() >= 0) {
            return Expression.sequence(
                    Expression.until(split.special()), markers.literal(split.rest()));
        }
        if (split.text().isEmpty()) {
            throw new IllegalArgumentException("any text needs an end, which is not empty");
        }
        return Expression.sequence(
                Expression.terminal(Regex.until(Regex.text(split.text()))),
                markers.literal(marker.substring(split.text().length())));
    }

    /// Free text in which a trigger begins one of the tags.
    private Expression triggered(
            List<JsonNode> triggers,
            List<JsonNode> tags,
            String place,
            boolean atLeastOne,
            boolean stopAfterFirst) {
        List<Expression> ways = new ArrayList<>();
        List<Regex> texts = new ArrayList<>();
        for (JsonNode trigger : triggers) {
            MarkerTokens.Split split = markers.split(trigger.asText());
            if (!split.text().isEmpty()) {
                texts.add(Regex.text(split.text()));
            } else if (split.special() < 0) {
                throw new IllegalArgumentException(place + " has a trigger that is no text");
            }
        }
        Regex anyTrigger = new Regex.Union(texts);
        Regex free = texts.isEmpty() ? Regex.ANY_TEXT : Regex.ANY_TEXT.without(anyTrigger);
        for (JsonNode trigger : triggers) {
            String marker = trigger.asText();
            MarkerTokens.Split split = markers.split(marker);
            Regex before =
                    split.text().isEmpty()
                            ? free
                            : Regex.and(
                                    Regex.until(anyTrigger),
                                    Regex.sequence(Regex.ANY_BYTES, Regex.text(split.text())));
            ways.add(
                    Expression.sequence(
                            Expression.terminal(before),
                            markers.literal(marker.substring(split.text().length())),
                            behind(marker, tags, place)));
        }
        Expression call = new Expression.Choice(ways);
        Expression rest = Expression.terminal(free);
        if (stopAfterFirst) {
            return atLeastOne ? call : Expression.choice(call, rest);
        }
        return Expression.sequence(
                atLeastOne ? Expression.plus(call) : Expression.star(call), rest);
    }

    /// What follows a trigger: the rest of a tag that begins with it.
    private Expression behind(String trigger, List<JsonNode> tags, String place) {
        List<Expression> rests = new ArrayList<>();
        for (int i = 0; i < tags.size(); i++) {
            String own = place + " tag " + i;
            String begin = text(tags.get(i), "begin", own);
            if (begin.startsWith(trigger)) {
                rests.add(
                        tag(tags.get(i), own, markers.literal(begin.substring(trigger.length()))));
            }
        }
        if (rests.isEmpty()) {
            throw new IllegalArgumentException(
                    "no tag begins with the trigger \"" + Json.quoted(trigger) + "\"");
        }
        return new Expression.Choice(rests);
    }

    private Expression separated(JsonNode part, String place) {
        List<Expression> tags = new ArrayList<>();
        for (JsonNode each : list(part, "tags", place)) {
            String own = place + ".tags[" + tags.size() + "]";
            tags.add(tag(each, own, markers.literal(text(each, "begin", own))));
        }
        Expression one = new Expression.Choice(tags);
        Expression more =
                Expression.star(
                        Expression.sequence(markers.literal(text(part, "separator", place)), one));
        Expression all =
                part.path("stop_after_first").asBoolean() ? one : Expression.sequence(one, more);
        return part.path("at_least_one").asBoolean() ? all : Expression.optional(all);
    }

    private Expression schema(JsonNode schema) {
        return embedded(
                JsonSchema.grammar(
                        Json.wellFormed(schema.toString()), layout, SchemaLimits.DEFAULT));
    }

    /// Adds the rules of a grammar of its own under other names.
    private Expression embedded(Grammar grammar) {
        Grammar renamed = grammar.named("%" + grammars++ + ".");
        rules.putAll(renamed.rules());
        return Expression.reference(renamed.start());
    }

    private static JsonNode member(JsonNode part, String name, String place) {
        JsonNode value = part.path(name);
        if (value.isMissingNode()) {
            throw new IllegalArgumentException(place + "." + name + " is missing");
        }
        return value;
    }

    private static String text(JsonNode part, String name, String place) {
        JsonNode value = member(part, name, place);
        if (!value.isTextual()) {
            throw new IllegalArgumentException(place + "." + name + " is not a text");
        }
        return Json.wellFormed(value.textValue());
    }

    private static List<JsonNode> list(JsonNode part, String name, String place) {
        JsonNode value = member(part, name, place);
        if (!value.isArray() || value.isEmpty()) {
            throw new IllegalArgumentException(place + "." + name + " is not a list with entries");
        }
        List<JsonNode> list = new ArrayList<>();
        value.forEach(list::add);
        return list;
    }
}
