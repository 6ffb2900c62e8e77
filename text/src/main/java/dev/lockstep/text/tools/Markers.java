// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.ArrayList;
import java.util.List;

/// The texts that a format puts around the parts of an answer.
final class Markers {
    private Markers() {}

    static List<String> of(AnswerFormat format) {
        List<String> all = new ArrayList<>(format.content().openings());
        all.addAll(format.content().closings());
        format.reasoning().ifPresent(each -> all.addAll(List.of(each.opening(), each.closing())));
        format.tools().ifPresent(tools -> add(tools, all));
        return all;
    }

    private static void add(ToolFormat tools, List<String> all) {
        all.addAll(
                List.of(
                        tools.sectionBegin(),
                        tools.callBegin(),
                        tools.callEnd(),
                        tools.separator(),
                        tools.sectionEnd()));
        add(tools.call(), all);
        for (ToolFormat.Variant variant : tools.variants()) {
            all.add(variant.callBegin());
            add(variant.call(), all);
        }
    }

    private static void add(CallForm call, List<String> all) {
        if (call instanceof CallForm.Pieces(List<Piece> head, ArgumentForm arguments)) {
            for (Piece piece : head) {
                switch (piece) {
                    case Piece.Text(String text) -> all.add(text);
                    case Piece.Either(List<String> texts) -> all.addAll(texts);
                    case Piece.Name _, Piece.Id _, Piece.Index _ -> {
                        // no marker
                    }
                }
            }
            add(arguments, all);
        }
    }

    private static void add(ArgumentForm arguments, List<String> all) {
        switch (arguments) {
            case ArgumentForm.Tagged tagged -> {
                all.addAll(List.of(tagged.begin(), tagged.separator()));
                for (ArgumentForm.Value value : tagged.values()) {
                    all.addAll(List.of(value.opening(), value.closing()));
                }
            }
            case ArgumentForm.Quoted(String quote) -> all.add(quote);
            case ArgumentForm.Elements elements -> all.add(elements.prefix());
            case ArgumentForm.Json _, ArgumentForm.Python _ -> {
                // no marker
            }
        }
    }
}
