"""People: the members of a tenant, looked after by its owners, and all users, by superusers."""

import secrets
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import AbstractUser, Group, User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from tenants.admin.businesses import SuperuserAdmin
from tenants.admin.forms import TenantModelForm
from tenants.admin.model_admin import TenantModelAdmin
from tenants.admin.pages import page_context
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.models import Membership

ROLE_LABELS: Final = {"owner": "primary", "editor": "info", "viewer": ""}

# Roles in a tenant take the place of Django's groups.
admin.site.unregister(Group)
admin.site.unregister(User)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, SuperuserAdmin):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = (
        "username",
        "get_full_name",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
    )
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username", "first_name", "last_name", "email")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Who it is"), {"fields": (("first_name", "last_name"), "email")}),
        (_("What they may do"), {"fields": (("is_active", "is_staff", "is_superuser"),)}),
        (_("When"), {"fields": (("last_login", "date_joined"),)}),
    )
    readonly_fields = ("last_login", "date_joined")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return SuperuserAdmin.lookup_allowed(self, lookup, value, request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A person is made inactive, so that what they did keeps their name."""
        return False


class MemberForm(TenantModelForm):
    """A role for somebody. A new member is a new user; superusers may also name an existing one."""

    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=UnfoldAdminTextInputWidget,
    )
    full_name = forms.CharField(
        label=_("Name"), max_length=150, required=False, widget=UnfoldAdminTextInputWidget
    )
    email = forms.EmailField(label=_("E-mail"), required=False, widget=UnfoldAdminEmailInputWidget)
    may_name_existing = False

    class Meta:
        model = Membership
        fields = ("role",)

    def clean_username(self) -> str:
        name = get_user_model().normalize_username(self.cleaned_data["username"])
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            return name
        if Membership.objects.filter(user=user).exists():
            raise ValidationError(_("This person is a member already."), code="member")
        if not self.may_name_existing:
            raise ValidationError(_("This user name is taken; choose another."), code="taken")
        self.instance.user = user
        return name


class RoleForm(TenantModelForm):
    class Meta:
        model = Membership
        fields = ("role",)

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if role != Membership.Role.OWNER and is_last_owner(self.instance):
            raise ValidationError(_("A tenant keeps at least one owner."), code="last_owner")
        return role


@admin.register(Membership)
class MembershipAdmin(TenantModelAdmin):
    view_role = edit_role = Membership.Role.OWNER
    is_configuration = False
    list_display = ("person", "email", "shown_role", "last_login", "created_at")
    list_filter = ("role",)
    list_select_related = ("user",)
    search_fields = ("user__username", "user__first_name", "user__last_name", "user__email")
    radio_fields = {"role": admin.VERTICAL}
    actions = None

    def get_form(
        self,
        request: HttpRequest,
        obj: Membership | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, form=RoleForm, **kwargs)
        form = super().get_form(request, obj, change, form=MemberForm, **kwargs)
        form.may_name_existing = request.user.is_superuser
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        if obj is not None:
            return [(None, {"fields": ("named", "role")})]
        return [(None, {"fields": ("username", ("full_name", "email"), "role")})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("named",) if obj else ()

    def kept_because(self, row: Membership, going: list[Membership]) -> str:
        """Without an owner nobody could look after the tenant's members any more."""
        return gettext("A tenant keeps at least one owner.") if is_last_owner(row) else ""

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if not change and not obj.user_id:
            obj.user, form.initial_password = _make_user(form.cleaned_data)
        super().save_model(request, obj, form, change)
        if not change:
            request.initial_password = getattr(form, "initial_password", "")  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Membership, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new user's first password is shown on the page that answers, and kept nowhere."""
        password = getattr(request, "initial_password", "")
        if not password:
            return super().response_add(request, obj, post_url_continue)
        context = {
            **page_context(self, request, gettext("New member")),
            "member": obj,
            "password": password,
        }
        return render(request, "orkesta/tenants/member_created.html", context)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **buttons})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        rows: QuerySet[Membership] = super().get_queryset(request).select_related("user")
        return rows

    @display(description=_("person"), header=True)
    def person(self, member: Membership) -> list[str]:
        user = _user(member)
        name = user.get_full_name() or user.get_username()
        return [name, user.get_username(), name[:2]]

    @display(description=_("person"))
    def named(self, member: Membership) -> str:
        user = _user(member)
        full, username = user.get_full_name(), user.get_username()
        return f"{full} ({username})" if full else username

    @display(description=_("e-mail"), empty_value="-")
    def email(self, member: Membership) -> str | None:
        return _user(member).email or None

    @display(description=_("role"), label=ROLE_LABELS)
    def shown_role(self, member: Membership) -> tuple[str, str]:
        return member.role, member.get_role_display().split(":")[0]

    @display(description=_("last access"))
    def last_login(self, member: Membership) -> Any:
        return _user(member).last_login


def is_last_owner(member: Membership) -> bool:
    """Whether the tenant would have no owner without this member."""
    owners = Membership.objects.filter(role=Membership.Role.OWNER)
    return member.role == Membership.Role.OWNER and not owners.exclude(pk=member.pk).exists()


def _user(member: Membership) -> AbstractUser:
    return member.user


def _make_user(facts: dict[str, Any]) -> tuple[User, str]:
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(
        facts["username"],
        email=facts["email"],
        password=password,
        first_name=facts["full_name"],
        is_staff=True,
    )
    record(AuditAction.CREATED, user, {"username": (None, user.username)})
    return user, password
