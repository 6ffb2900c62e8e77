// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// A function or method with its printed form.
record Function(String text, Callable body) implements Callable {
    /// The address in a printed form: a constant, so that equal conversations have equal prompts.
    static final String ADDRESS = " at 0x7f0000000000";

    static Function named(String name, Callable body) {
        return new Function("<function " + name + ADDRESS + ">", body);
    }

    /// Returns a method of a value.
    static Function of(Object value, String name, Callable body) {
        return new Function(
                "<built-in method "
                        + name
                        + " of "
                        + Values.typeName(value)
                        + " object"
                        + ADDRESS
                        + ">",
                body);
    }

    @Override
    public Object call(CallArguments arguments) {
        return body.call(arguments);
    }
}
