// Package token defines the lexical tokens of the language.
package token

// Kind is the kind of a token.
type Kind uint8

// The kinds of tokens. Operators and keywords are named after what they mean.
const (
	EOF     Kind = iota
	Illegal      // Text is the message of a lexical error
	Newline      // end of a logical line; absent before an Indent
	Indent
	Dedent

	Ident
	Int
	Float
	String  // Text is the value, escapes resolved
	FString // Text is the body, escapes resolved, fields not yet parsed

	LParen
	RParen
	LBracket
	RBracket
	LBrace
	RBrace
	Comma
	Colon
	Semicolon
	Dot
	At
	Arrow

	Assign
	PlusAssign
	MinusAssign
	StarAssign
	SlashAssign
	FloorDivAssign
	PercentAssign
	PowAssign
	AmpAssign
	PipeAssign
	CaretAssign
	ShlAssign
	ShrAssign

	Plus
	Minus
	Star
	Slash
	FloorDiv
	Percent
	Pow
	Amp
	Pipe
	Caret
	Tilde
	Shl
	Shr
	Eq
	NotEq
	Lt
	Gt
	LtE
	GtE

	If
	Elif
	Else
	While
	For
	In
	Is
	As
	Or
	And
	Not
	Def
	Del
	Try
	Except
	Finally
	Raise
	With
	Class
	Break
	Continue
	Pass
	Return
	Import
	From
	Lambda
	Assert
	Global
	Nonlocal
	True
	False
	None
)

var names = [...]string{
	EOF: "EOF", Illegal: "ILLEGAL", Newline: "NEWLINE", Indent: "INDENT", Dedent: "DEDENT",
	Ident: "IDENT", Int: "INT", Float: "FLOAT", String: "STRING", FString: "FSTRING",
	LParen: "(", RParen: ")", LBracket: "[", RBracket: "]", LBrace: "{", RBrace: "}",
	Comma: ",", Colon: ":", Semicolon: ";", Dot: ".", At: "@", Arrow: "->",
	Assign: "=", PlusAssign: "+=", MinusAssign: "-=", StarAssign: "*=", SlashAssign: "/=",
	FloorDivAssign: "//=", PercentAssign: "%=", PowAssign: "**=", AmpAssign: "&=",
	PipeAssign: "|=", CaretAssign: "^=", ShlAssign: "<<=", ShrAssign: ">>=",
	Plus: "+", Minus: "-", Star: "*", Slash: "/", FloorDiv: "//", Percent: "%", Pow: "**",
	Amp: "&", Pipe: "|", Caret: "^", Tilde: "~", Shl: "<<", Shr: ">>",
	Eq: "==", NotEq: "!=", Lt: "<", Gt: ">", LtE: "<=", GtE: ">=",
	If: "if", Elif: "elif", Else: "else", While: "while", For: "for", In: "in", Is: "is",
	As: "as", Or: "or", And: "and", Not: "not", Def: "def", Del: "del", Try: "try",
	Except: "except", Finally: "finally", Raise: "raise", With: "with", Class: "class",
	Break: "break", Continue: "continue", Pass: "pass", Return: "return", Import: "import",
	From: "from", Lambda: "lambda", Assert: "assert", Global: "global", Nonlocal: "nonlocal",
	True: "True", False: "False", None: "None",
}

// String returns the name used in error messages.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return "UNKNOWN"
}

// IsKeyword reports whether k is a reserved word.
func (k Kind) IsKeyword() bool { return k >= If && k <= None }

var keywords = func() map[string]Kind {
	m := make(map[string]Kind)
	for k := If; k <= None; k++ {
		m[k.String()] = k
	}
	return m
}()

var operators = func() map[string]Kind {
	m := make(map[string]Kind)
	for k := LParen; k <= GtE; k++ {
		m[k.String()] = k
	}
	return m
}()

// Lookup returns the keyword spelled name, or Ident.
func Lookup(name string) Kind {
	if k, ok := keywords[name]; ok {
		return k
	}
	return Ident
}

// Operator returns the operator or delimiter spelled text.
func Operator(text string) (Kind, bool) {
	k, ok := operators[text]
	return k, ok
}

// Token is one lexical unit.
type Token struct {
	Kind Kind
	Text string
	Line int // line of its first character, counted from 1
}
