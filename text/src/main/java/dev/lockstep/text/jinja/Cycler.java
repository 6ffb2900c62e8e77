// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.List;

/// The object that `cycler('odd', 'even')` makes: values in turn, without end.
final class Cycler {
    private final List<Object> items;
    private int position;

    Cycler(List<Object> items) {
        if (items.isEmpty()) {
            throw new TemplateException("at least one item has to be provided");
        }
        this.items = List.copyOf(items);
    }

    Object attribute(String name) {
        return switch (name) {
            case "next" -> Function.of(this, name, this::next);
            case "reset" -> Function.of(this, name, this::reset);
            case "current" -> items.get(position);
            case "items" -> new Tuple(items);
            case "pos" -> (long) position;
            default -> Undefined.attribute(this, name);
        };
    }

    private Object next(CallArguments arguments) {
        arguments.bind("next");
        Object current = items.get(position);
        position = (position + 1) % items.size();
        return current;
    }

    private Object reset(CallArguments arguments) {
        arguments.bind("reset");
        position = 0;
        return None.NONE;
    }
}
