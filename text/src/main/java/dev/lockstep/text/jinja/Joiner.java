// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The function that `joiner(', ')` makes: an empty text on its first call, then the separator.
final class Joiner implements Callable {
    private final Object separator;
    private boolean used;

    Joiner(Object separator) {
        this.separator = separator;
    }

    Object attribute(String name) {
        return switch (name) {
            case "sep" -> separator;
            case "used" -> used;
            default -> Undefined.attribute(this, name);
        };
    }

    @Override
    public Object call(CallArguments arguments) {
        arguments.bind("joiner");
        Object text = used ? separator : "";
        used = true;
        return text;
    }
}
