// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.List;
import java.util.Optional;

/// The variable `loop` inside a `for`: the position of the loop and, in a recursive loop, the call
/// into the next level.
final class Loop implements Callable {
    private final List<Object> items;
    private final int depth;
    private final Optional<Recursion> recursion;
    private final Budget budget;
    private int index = -1;
    private Optional<Object> changing = Optional.empty();

    /// A renderer of the loop's body for a value one level deeper.
    interface Recursion {
        String render(Object items, int depth);
    }

    Loop(List<Object> items, int depth, Optional<Recursion> recursion, Budget budget) {
        this.items = items;
        this.depth = depth;
        this.recursion = recursion;
        this.budget = budget;
    }

    boolean advance() {
        return ++index < items.size();
    }

    Object current() {
        return items.get(index);
    }

    int length() {
        return items.size();
    }

    /// Returns the items that the loop has not reached yet.
    List<Object> remaining() {
        return items.subList(Math.min(index + 1, items.size()), items.size());
    }

    Object attribute(String name) {
        int size = items.size();
        return switch (name) {
            case "index" -> index + 1L;
            case "index0" -> (long) index;
            case "revindex" -> (long) size - index;
            case "revindex0" -> size - index - 1L;
            case "first" -> index == 0;
            case "last" -> index == size - 1;
            case "length" -> (long) size;
            case "depth" -> depth + 1L;
            case "depth0" -> (long) depth;
            case "previtem" ->
                    index > 0 ? items.get(index - 1) : new Undefined("there is no previous item");
            case "nextitem" ->
                    index + 1 < size
                            ? items.get(index + 1)
                            : new Undefined("there is no next item");
            case "cycle" -> Function.named("LoopContext.cycle", this::cycle);
            case "changed" -> Function.named("LoopContext.changed", this::changed);
            default -> Undefined.attribute(this, name);
        };
    }

    @Override
    public String toString() {
        return "<LoopContext " + (index + 1) + "/" + items.size() + ">";
    }

    private Object cycle(CallArguments arguments) {
        List<Object> choices = arguments.positional();
        if (choices.isEmpty()) {
            throw new TemplateException("no items for cycling given");
        }
        return choices.get(index % choices.size());
    }

    private Object changed(CallArguments arguments) {
        var now = new Tuple(arguments.positional());
        boolean same = changing.isPresent() && Order.equal(changing.get(), now, budget);
        changing = Optional.of(now);
        return !same;
    }

    @Override
    public Object call(CallArguments arguments) {
        Recursion deeper =
                recursion.orElseThrow(
                        () ->
                                new TemplateException(
                                        "The loop must have the 'recursive' marker to be called recursively."));
        return deeper.render(arguments.bind("loop", "iterable").required("iterable"), depth + 1);
    }
}
