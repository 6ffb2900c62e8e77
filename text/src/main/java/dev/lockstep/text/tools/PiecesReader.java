// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/// Reads a call that is written as pieces.
final class PiecesReader implements CallReader {
    private static final int MAX_NAME = 1000;

    private final CallForm.Pieces form;
    private final Map<String, JsonNode> functions;
    private final String afterArguments;

    /// The characters of the functions' names.
    private final BitSet nameCharacters = new BitSet();

    private final List<List<Literal>> literals;
    private int next;
    private String name = "";
    private Optional<CallReader> arguments = Optional.empty();

    /// @param functions the schemas of the parameters by the functions' names
    /// @param afterArguments what stands after the arguments
    PiecesReader(CallForm.Pieces form, String afterArguments, Map<String, JsonNode> functions) {
        this.form = form;
        this.functions = functions;
        this.afterArguments = afterArguments;
        functions.keySet().forEach(each -> each.chars().forEach(nameCharacters::set));
        literals =
                form.head().stream()
                        .map(PiecesReader::texts)
                        .map(texts -> texts.stream().map(Literal::new).toList())
                        .toList();
    }

    private static List<String> texts(Piece piece) {
        return switch (piece) {
            case Piece.Text(String text) -> List.of(text);
            case Piece.Either(List<String> texts) -> texts;
            case Piece.Name _, Piece.Id _, Piece.Index _ -> List.of();
        };
    }

    @Override
    public Progress read(Input in, CallSink sink) {
        while (next < form.head().size()) {
            Progress read =
                    switch (form.head().get(next)) {
                        case Piece.Text _, Piece.Either _ -> text(in);
                        case Piece.Name _ -> name(in, sink);
                        case Piece.Id _ -> id(in, sink);
                        case Piece.Index _ -> index(in);
                    };
            if (read != Progress.DONE) {
                return read;
            }
            next++;
        }
        if (arguments.isEmpty()) {
            arguments = Optional.of(argumentsReader());
        }
        return arguments.get().read(in, sink);
    }

    private Progress text(Input in) {
        Progress found = Progress.FAILED;
        for (Literal each : literals.get(next)) {
            Progress passed = in.pass(each);
            if (passed == Progress.DONE) {
                return passed;
            }
            found = passed == Progress.MORE ? passed : found;
        }
        return found;
    }

    private CallReader argumentsReader() {
        JsonNode schema = Objects.requireNonNull(functions.get(name));
        return switch (form.arguments()) {
            case ArgumentForm.Json _ -> new JsonArgumentsReader();
            case ArgumentForm.Tagged tagged ->
                    new TaggedArgumentsReader(tagged, afterArguments, schema);
            case ArgumentForm.Python python -> new PythonArgumentsReader(python, schema);
            case ArgumentForm.Quoted quoted -> new QuotedArgumentsReader(quoted);
            case ArgumentForm.Elements elements -> new ElementsReader(elements, schema);
        };
    }

    private Progress name(Input in, CallSink sink) {
        in.skipSpace();
        CharSequence text = in.text();
        int end = in.at();
        while (end < text.length() && nameCharacters.get(text.charAt(end))) {
            if (++end - in.at() > MAX_NAME) {
                return Progress.FAILED;
            }
        }
        if (end == text.length() && !in.ended()) {
            return Progress.MORE;
        }
        String found = in.take(end);
        if (!name.isEmpty()) {
            return found.equals(name) ? Progress.DONE : Progress.FAILED;
        }
        name = found;
        return sink.name(found) ? Progress.DONE : Progress.FAILED;
    }

    /// Reads an id, which ends where the next piece begins.
    private Progress id(Input in, CallSink sink) {
        CharSequence text = in.text();
        Literal after =
                next + 1 < literals.size() && !literals.get(next + 1).isEmpty()
                        ? literals.get(next + 1).getFirst()
                        : new Literal("");
        for (int at = in.at(); at < text.length() && at - in.at() <= MAX_NAME; at++) {
            int end = after.isEmpty() ? Literal.NO : after.match(text, at);
            boolean stops = after.isEmpty() && !isId(text.charAt(at));
            if (end >= 0 || stops) {
                sink.id(in.take(at).strip());
                return Progress.DONE;
            }
            if (end == Literal.MORE) {
                return Progress.MORE;
            }
        }
        return text.length() - in.at() > MAX_NAME ? Progress.FAILED : Progress.MORE;
    }

    private static boolean isId(char c) {
        return Character.isLetterOrDigit(c) || c == '_' || c == '-';
    }

    private static Progress index(Input in) {
        CharSequence text = in.text();
        int end = in.at();
        while (end < text.length() && Character.isDigit(text.charAt(end))) {
            if (++end - in.at() > 9) {
                return Progress.FAILED;
            }
        }
        if (end == text.length() && !in.ended()) {
            return Progress.MORE;
        }
        boolean some = end > in.at();
        in.moveTo(end);
        return some ? Progress.DONE : Progress.FAILED;
    }
}
