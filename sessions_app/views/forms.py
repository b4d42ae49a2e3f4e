"""Forms of sign-in and settings. What they mean is decided by the actions; here they are read and checked."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from sessions_app.actions.people import USERNAME, USERNAME_HELP
from sessions_app.actions.tokens import DEFAULT_DAYS, MAX_DAYS, scopes_for
from sessions_app.models import Person, Role

_PASSWORD_HELP = "At least 10 characters; a few unrelated words are easiest to keep."  # noqa: S105  a text


class SignInForm(forms.Form):
    username = forms.CharField(
        label="User name",
        max_length=64,
        widget=forms.TextInput({"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label="Password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )


class NewPasswordForm(forms.Form):
    """A password twice, judged by the validators for `person` (saved or not)."""

    password = forms.CharField(
        label="Password",
        max_length=1024,
        strip=False,
        help_text=_PASSWORD_HELP,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="Password again",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, person: Person | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        password, again = values.get("password"), values.get("again")
        if password and again and password != again:
            self.add_error("again", "This is not the same as above.")
        if password:
            try:
                validate_password(password, self.owner(values))
            except ValidationError as error:
                self.add_error("password", error)
        return values

    def owner(self, values: dict[str, Any]) -> Person:
        """Whose password it will be: it must not resemble their names."""
        if self.person is not None:
            return self.person
        return Person(username=values.get("username", ""), display_name=values.get("display_name", ""))


def _username_field() -> forms.CharField:
    return forms.CharField(
        label="User name",
        max_length=64,
        help_text=USERNAME_HELP,
        widget=forms.TextInput({"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )


def _clean_username(text: str) -> str:
    name = text.lower()
    if not USERNAME.fullmatch(name):
        raise ValidationError(USERNAME_HELP)
    return name


class FirstOperatorForm(NewPasswordForm):
    username = _username_field()
    display_name = forms.CharField(
        label="Name shown on pages",
        max_length=120,
        required=False,
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    field_order = ("username", "display_name", "password", "again")

    def clean_username(self) -> str:
        return _clean_username(self.cleaned_data["username"])


class ChangePasswordForm(NewPasswordForm):
    current = forms.CharField(
        label="Current password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )
    field_order = ("current", "password", "again")

    def __init__(self, *args: Any, person: Person, **kwargs: Any) -> None:
        super().__init__(*args, person=person, **kwargs)
        self.fields["password"].label = "New password"
        self.fields["again"].label = "New password again"


class DisplayNameForm(forms.Form):
    display_name = forms.CharField(
        label="Name shown on pages",
        max_length=120,
        required=False,
        help_text="Empty: the user name is shown.",
        widget=forms.TextInput({"autocomplete": "name"}),
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(label="Role", choices=Role.choices)


class AddPersonForm(RoleForm):
    username = _username_field()
    display_name = forms.CharField(label="Name shown on pages", max_length=120, required=False)
    field_order = ("username", "display_name", "role")

    def clean_username(self) -> str:
        name = _clean_username(self.cleaned_data["username"])
        if Person.objects.filter(username=name).exists():
            raise ValidationError("There is a person of this name already.")
        return name


class TokenForm(forms.Form):
    name = forms.CharField(
        label="Name", max_length=120, help_text="What it is for, such as “watcher on the build box”."
    )
    scopes = forms.MultipleChoiceField(
        label="May", widget=forms.CheckboxSelectMultiple, error_messages={"required": "Choose one or more."}
    )
    days = forms.IntegerField(
        label="Good for (days)",
        min_value=1,
        max_value=MAX_DAYS,
        initial=DEFAULT_DAYS,
        help_text=f"At most {MAX_DAYS}.",
    )

    def __init__(self, *args: Any, owner: Person, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)  # noqa: S101  tells the type checker
        scopes.choices = [(scope.value, scope.label) for scope in scopes_for(owner)]


class SavedViewForm(forms.Form):
    name = forms.CharField(label="Name", max_length=80)
