// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.text.tools.AnswerFormat;
import dev.lockstep.text.tools.ContentFormat;
import dev.lockstep.text.tools.MarkerTokens;
import dev.lockstep.text.tools.ReasoningGrammar;
import dev.lockstep.text.tools.ToolFormat;
import dev.lockstep.text.tools.ToolGrammar;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Makes the constraint of an answer: of its calls, of its content, or of both, behind the
/// reasoning.
///
/// @param specials the ids of the special tokens by their text
/// @param promptEnd the end of the prompt, which may open the reasoning
record AnswerConstraint(AnswerFormat format, Map<String, Integer> specials, String promptEnd) {
    private static final String ANSWER = "%answer";

    /// Returns the constraint of an answer without tools, or none.
    ///
    /// @param content what the request demands of the text
    Optional<ConstraintSource> of(Optional<ConstraintSource> content) {
        return content.map(this::behindReasoning);
    }

    /// Returns the constraint of an answer that may call or must.
    ///
    /// @param content what the request demands of an answer that does not call
    ConstraintSource of(RequestTools tools, Optional<ConstraintSource> content) {
        ToolFormat calls = format.tools().orElseThrow();
        Map<String, JsonNode> functions = new LinkedHashMap<>(tools.callable());
        String what = tools.choice() + " " + tools.parallel() + " " + functions;
        Optional<ConstraintSource> free = tools.isRequired() ? Optional.empty() : content;
        var source =
                new ConstraintSource(
                        tools.field(),
                        "calls " + what + free.map(ConstraintSource::content).orElse(""),
                        () ->
                                tools.isRequired()
                                        ? required(calls, functions, tools.parallel())
                                        : automatic(calls, functions, tools.parallel(), free));
        return behindReasoning(source);
    }

    private ConstraintSource behindReasoning(ConstraintSource source) {
        return format.reasoning()
                .map(
                        reasoning ->
                                source.behind(
                                        reasoning
                                                + " "
                                                + reasoning.isOpenedBy(promptEnd)
                                                + reasoning.isClosedBy(promptEnd),
                                        ReasoningGrammar.before(reasoning, promptEnd, specials)))
                .orElse(source);
    }

    private Grammar required(ToolFormat calls, Map<String, JsonNode> functions, boolean parallel) {
        return ToolGrammar.required(calls, functions, parallel, specials, Layout.COMPACT);
    }

    private Grammar automatic(
            ToolFormat calls,
            Map<String, JsonNode> functions,
            boolean parallel,
            Optional<ConstraintSource> content) {
        ContentFormat text = format.content();
        if (content.isEmpty() && text.openings().isEmpty()) {
            return ToolGrammar.auto(calls, functions, parallel, specials, Layout.COMPACT);
        }
        Grammar called = required(calls, functions, parallel).named("%calls.");
        Map<String, Expression> rules = new HashMap<>(called.rules());
        Expression free = Expression.terminal(Regex.ANY_TEXT);
        if (content.isPresent()) {
            Grammar demanded = content.get().grammar().get().named("%content.");
            rules.putAll(demanded.rules());
            free = Expression.reference(demanded.start());
        }
        rules.put(
                ANSWER,
                Expression.choice(
                        Expression.sequence(opening(text.openings()), free),
                        Expression.reference(called.start())));
        return new Grammar(rules, ANSWER);
    }

    private Expression opening(List<String> openings) {
        var markers = new MarkerTokens(specials);
        return openings.isEmpty()
                ? Expression.EMPTY
                : new Expression.Choice(openings.stream().map(markers::literal).toList());
    }
}
