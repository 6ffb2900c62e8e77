// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.schema.Layout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Makes the grammar of an answer with tool calls, from the format of a model.
///
/// Reasoning is no part of it: a constraint begins behind that. The white space between markers is
/// the template's.
public final class ToolGrammar {
    private static final Regex WORD =
            new Regex.Repeat(
                    Regex.characters('a', 'z', 'A', 'Z', '0', '9', '_', '_', '-', '-'), 1, 64);

    private final ToolFormat format;
    private final Map<String, JsonNode> functions;
    private final MarkerTokens markers;
    private final Layout layout;
    private final Map<String, Expression> rules = new HashMap<>();

    private ToolGrammar(
            ToolFormat format,
            Map<String, JsonNode> functions,
            MarkerTokens markers,
            Layout layout) {
        this.format = format;
        this.functions = functions;
        this.markers = markers;
        this.layout = layout;
    }

    /// Returns the grammar of an answer that must call: one of the functions, or several calls.
    ///
    /// @param functions the schemas of the parameters by the functions' names; for a named function
    ///   only that one
    /// @param parallel whether more than one call is allowed
    /// @param specials the ids of the special tokens by their text: markers that are tokens of
    ///   their own are these in the grammar
    /// @throws IllegalArgumentException if a schema asks for what the format cannot enforce
    public static Grammar required(
            ToolFormat format,
            Map<String, JsonNode> functions,
            boolean parallel,
            Map<String, Integer> specials,
            Layout layout) {
        var grammar = new ToolGrammar(format, functions, new MarkerTokens(specials), layout);
        return grammar.grammar(
                Expression.sequence(
                        grammar.markers.literal(format.sectionBegin() + format.callBegin()),
                        grammar.behindBegin(parallel)));
    }

    /// As [#required], for an answer that may also be free text, or free text before the calls: it
    /// is constrained once the model has begun a call.
    public static Grammar auto(
            ToolFormat format,
            Map<String, JsonNode> functions,
            boolean parallel,
            Map<String, Integer> specials,
            Layout layout) {
        var grammar = new ToolGrammar(format, functions, new MarkerTokens(specials), layout);
        return grammar.grammar(grammar.automatic(parallel));
    }

    private Grammar grammar(Expression start) {
        rules.put("answer", start);
        return new Grammar(rules, "answer");
    }

    private Expression automatic(boolean parallel) {
        String begin = (format.sectionBegin() + format.callBegin()).strip();
        if (!format.anywhere()) {
            Regex opening = Regex.text(begin.isEmpty() ? callOpening() : begin);
            return Expression.choice(
                    Expression.sequence(markers.literal(begin), behindBegin(parallel)),
                    Expression.terminal(
                            Regex.ANY_TEXT.minus(Regex.sequence(opening, Regex.ANY_BYTES))));
        }
        String space = MarkerText.trailingSpace(format.sectionBegin() + format.callBegin());
        Expression calls = Expression.sequence(markers.literal(space), behindBegin(parallel));
        MarkerTokens.Split split = markers.split(begin);
        if (split.text().isEmpty()) {
            return Expression.choice(
                    Expression.terminal(Regex.ANY_TEXT),
                    Expression.sequence(
                            Expression.until(split.special()),
                            markers.literal(split.rest()),
                            calls));
        }
        Regex marker = Regex.text(split.text());
        return Expression.choice(
                Expression.terminal(Regex.ANY_TEXT.without(marker)),
                Expression.sequence(
                        Expression.terminal(Regex.until(marker)),
                        markers.literal(begin.substring(split.text().length())),
                        calls));
    }

    /// Returns the text with which a call begins that has no marker.
    private String callOpening() {
        return switch (format.call()) {
            case CallForm.JsonCall json -> "{\"" + json.keys().getFirst() + "\"";
            case CallForm.NamedJson _ -> "{\"";
            case CallForm.Pieces _ ->
                    throw new IllegalArgumentException(
                            "calls without a marker before them cannot be told from text");
        };
    }

    private Expression behindBegin(boolean parallel) {
        List<Expression> each = new ArrayList<>();
        int index = 0;
        for (Map.Entry<String, JsonNode> function : functions.entrySet()) {
            each.add(
                    call(
                            function.getKey(),
                            new SchemaRules(
                                    rules,
                                    "f" + index++ + ".",
                                    function.getValue(),
                                    layout,
                                    markers)));
        }
        rules.put(
                "call",
                Expression.sequence(
                        new Expression.Choice(each), markers.literal(format.callEnd())));
        Expression more =
                Expression.star(
                        Expression.sequence(
                                markers.literal(format.separator() + format.callBegin()),
                                Expression.reference("call")));
        return Expression.sequence(
                Expression.reference("call"),
                parallel && format.parallel() ? more : Expression.EMPTY,
                markers.literal(format.sectionEnd()));
    }

    private Expression call(String name, SchemaRules schema) {
        return switch (format.call()) {
            case CallForm.NamedJson _ ->
                    Expression.sequence(
                            Expression.text("{" + JsonText.quoted(name) + ": "),
                            schema.object(),
                            Expression.text("}"));
            case CallForm.JsonCall json -> jsonCall(json, name, schema);
            case CallForm.Pieces pieces -> pieces(pieces, name, schema);
        };
    }

    private static Expression jsonCall(CallForm.JsonCall json, String name, SchemaRules schema) {
        if (json.textArguments()) {
            throw new IllegalArgumentException(
                    "arguments that are written as text in JSON cannot be constrained");
        }
        List<Expression> items = new ArrayList<>();
        for (String key : json.keys()) {
            items.add(
                    Expression.text((items.isEmpty() ? "{" : ", ") + JsonText.quoted(key) + ": "));
            if (key.equals(json.nameKey())) {
                items.add(Expression.text(JsonText.quoted(name)));
            } else if (key.equals(json.argumentsKey())) {
                items.add(schema.object());
            } else {
                items.add(
                        Expression.terminal(
                                Regex.sequence(Regex.text("\""), WORD, Regex.text("\""))));
            }
        }
        items.add(Expression.text("}"));
        return new Expression.Sequence(items);
    }

    private Expression pieces(CallForm.Pieces pieces, String name, SchemaRules schema) {
        List<Expression> items = new ArrayList<>();
        for (Piece piece : pieces.head()) {
            items.add(
                    switch (piece) {
                        case Piece.Text(String text) -> markers.literal(text);
                        case Piece.Either(List<String> texts) -> markers.literal(texts.getFirst());
                        case Piece.Name _ -> Expression.text(name);
                        case Piece.Id _ -> Expression.terminal(WORD);
                        case Piece.Index _ ->
                                Expression.terminal(
                                        new Regex.Repeat(Regex.characters('0', '9'), 1, 3));
                    });
        }
        items.add(
                switch (pieces.arguments()) {
                    case ArgumentForm.Json _ -> schema.object();
                    case ArgumentForm.Tagged tagged -> schema.tagged(tagged);
                    case ArgumentForm.Python python -> schema.python(python);
                    case ArgumentForm.Quoted quoted -> schema.quoted(quoted);
                    case ArgumentForm.Elements elements -> schema.elements(elements);
                });
        return new Expression.Sequence(items);
    }
}
