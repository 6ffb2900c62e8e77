// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.regex.RegexSyntax;
import dev.lockstep.grammar.schema.JsonSchema;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.grammar.schema.SchemaLimits;
import dev.lockstep.grammar.text.GrammarSyntax;
import dev.lockstep.grammar.text.TextChoice;
import dev.lockstep.text.Tokenizers;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Compiles constraints of generated text, and says which texts they accept; starts no process.
final class GrammarCommand extends JsonLinesCommand {
    private static final Key<Boolean> EXPLAIN =
            Key.flag("explain", "say where a text that is not accepted leaves the constraint");
    private static final List<String> KINDS = List.of("schema", "regex", "grammar", "choice");
    private static final String WHITESPACE = "whitespace";
    private static final String TEXTS = "texts";

    private static final SettingsSpec SPEC = SettingsSpec.of(ProcessKeys.MODEL, EXPLAIN);

    /// Keeps the digits of numbers in schemas.
    private static final ObjectMapper EXACT =
            JsonMapper.builder()
                    .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    GrammarCommand() {
        super(
                "grammar",
                "[--model=PATH] [--explain] < constraints.jsonl\n\nReads one {\"schema\"|\"regex\"|\"grammar\"|\"choice\": …, \"whitespace\": \"compact\"|\"flexible\",\n\"texts\": […]} per line and writes one {\"accepted\": [true, false, …]} or {\"error\": …} per line.\nWith a model, its tokens of each text must be allowed one after the other, too.",
                "constraints of texts: JSON lines in, {\"accepted\": […]} or {\"error\": …} out",
                SPEC);
    }

    @Override
    JsonLines.Step step(Settings settings) throws InterruptedException {
        Optional<TokenWalk> tokens =
                settings.find(ProcessKeys.MODEL).isPresent()
                        ? Optional.of(tokens(settings))
                        : Optional.empty();
        boolean explain = settings.value(EXPLAIN);
        return line -> check(line, tokens, explain);
    }

    private static TokenWalk tokens(Settings settings) throws InterruptedException {
        ModelChoice model = ModelChoice.of(settings, Terminal.standardError());
        TokenizerSource source = TokenizerSource.open(model.path());
        if (!source.hasTokenizer()) {
            throw new UnusableException(
                    "%s has no tokenizer: it serves token ids only".formatted(model.path()));
        }
        return new TokenWalk(Tokenizers.of(source));
    }

    private static ObjectNode check(String line, Optional<TokenWalk> tokens, boolean explain) {
        ObjectNode result = JsonLines.JSON.createObjectNode();
        try {
            JsonNode request = EXACT.readTree(line);
            List<String> texts = texts(request.path(TEXTS));
            CompiledGrammar compiled =
                    CompiledGrammar.compile(grammar(request), GrammarLimits.DEFAULT);
            List<Optional<Departure>> departures = new ArrayList<>();
            for (String text : texts) {
                Optional<Departure> left = Departure.of(compiled, text);
                departures.add(
                        left.isEmpty() && tokens.isPresent()
                                ? tokens.get().departure(compiled, text)
                                : left);
            }
            return put(result, departures, explain);
        } catch (JsonProcessingException e) {
            return result.put("error", "not JSON: " + e.getOriginalMessage());
        } catch (IllegalArgumentException | GrammarException e) {
            return result.put("error", String.valueOf(e.getMessage()));
        } catch (StackOverflowError e) {
            return result.put("error", "it nests too deeply");
        }
    }

    private static ObjectNode put(
            ObjectNode result, List<Optional<Departure>> departures, boolean explain) {
        ArrayNode accepted = result.putArray("accepted");
        departures.forEach(departure -> accepted.add(departure.isEmpty()));
        if (explain) {
            ArrayNode explained = result.putArray("explained");
            for (Optional<Departure> departure : departures) {
                departure.ifPresentOrElse(
                        left -> left.putTo(explained.addObject()), explained::addNull);
            }
        }
        return result;
    }

    private static Grammar grammar(JsonNode request) {
        List<String> given = KINDS.stream().filter(request::hasNonNull).toList();
        if (given.size() != 1) {
            throw new IllegalArgumentException(
                    given.isEmpty()
                            ? "none of " + String.join(", ", KINDS) + " is given"
                            : String.join(" and ", given) + " are given, only one is possible");
        }
        String kind = given.getFirst();
        JsonNode value = request.get(kind);
        return switch (kind) {
            case "schema" ->
                    JsonSchema.grammar(
                            value.isTextual() ? value.textValue() : value.toString(),
                            layout(request.path(WHITESPACE)),
                            SchemaLimits.DEFAULT);
            case "regex" -> RegexSyntax.grammar(text(kind, value));
            case "grammar" -> GrammarSyntax.grammar(text(kind, value));
            default -> TextChoice.grammar(texts(value));
        };
    }

    private static Layout layout(JsonNode word) {
        if (word.isMissingNode() || word.isNull()) {
            return Layout.COMPACT;
        }
        return switch (word.asText()) {
            case "compact" -> Layout.COMPACT;
            case "flexible" -> Layout.FLEXIBLE;
            default ->
                    throw new IllegalArgumentException(
                            WHITESPACE + " is " + word + ", it must be compact or flexible");
        };
    }

    private static List<String> texts(JsonNode list) {
        List<String> texts = new ArrayList<>();
        if (!list.isMissingNode() && !list.isArray()) {
            throw new IllegalArgumentException("a list of texts is expected");
        }
        for (JsonNode text : list) {
            texts.add(text("a text", text));
        }
        return texts;
    }

    private static String text(String name, JsonNode value) {
        if (!value.isTextual()) {
            throw new IllegalArgumentException(name + " is not a string");
        }
        return value.textValue();
    }
}
